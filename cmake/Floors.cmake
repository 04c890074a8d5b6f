# One object library per floor, named sluice_<floor>, made of all src/<floor>/**/*.cc.
#
# A floor may include only lower ones, never its siblings; tests/architecture checks every include.
# sluice_floors is all of them together: what an executable links.
add_library(sluice_floors INTERFACE)

# Asio compiled once (see Compiler.cmake), apart from the floor net because our warnings and
# precompiled headers are not for it.
add_library(sluice_asio OBJECT "${PROJECT_SOURCE_DIR}/src/net/asio.cc")
target_link_libraries(sluice_asio PUBLIC Boost::headers Threads::Threads)
target_link_libraries(sluice_floors INTERFACE sluice_asio $<TARGET_OBJECTS:sluice_asio>)

# sluice_floor(<name> [ABOVE <floor>...] [PRECOMPILED standard|asio] [LIBRARIES <library>...])
#
# ABOVE names the floors right below; what those export comes along. LIBRARIES are the ones that
# enter the program at this floor.
function(sluice_floor name)
  cmake_parse_arguments(PARSE_ARGV 1 floor "" "PRECOMPILED" "ABOVE;LIBRARIES")
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/${name}/*.cc")
  list(REMOVE_ITEM sources "${PROJECT_SOURCE_DIR}/src/net/asio.cc")

  if(sources)
    add_library(sluice_${name} OBJECT ${sources})
    set(scope PUBLIC)
    if(floor_PRECOMPILED)
      sluice_use_precompiled_headers(sluice_${name} ${floor_PRECOMPILED})
    endif()
    target_link_libraries(sluice_floors INTERFACE $<TARGET_OBJECTS:sluice_${name}>)
  else()
    add_library(sluice_${name} INTERFACE) # headers only
    set(scope INTERFACE)
  endif()

  target_include_directories(
    sluice_${name} ${scope} "${PROJECT_SOURCE_DIR}/include" "${PROJECT_SOURCE_DIR}/src"
    "${SLUICE_GENERATED_INCLUDE}")
  list(TRANSFORM floor_ABOVE PREPEND sluice_)
  target_link_libraries(sluice_${name} ${scope} ${floor_ABOVE} ${floor_LIBRARIES})
  add_dependencies(sluice_${name} sluice_version)
  target_link_libraries(sluice_floors INTERFACE sluice_${name})
endfunction()

# From ground to roof.
sluice_floor(base LIBRARIES Boost::headers Boost::json)
sluice_floor(config ABOVE base PRECOMPILED standard LIBRARIES yaml-cpp)
sluice_floor(observe ABOVE config PRECOMPILED standard
             LIBRARIES spdlog::spdlog prometheus-cpp::core)
sluice_floor(net ABOVE observe PRECOMPILED asio
             LIBRARIES sluice_asio OpenSSL::SSL OpenSSL::Crypto PkgConfig::libcrypt
                       PkgConfig::libargon2 PkgConfig::cares)
sluice_floor(http ABOVE observe PRECOMPILED standard
             LIBRARIES Boost::url PkgConfig::nghttp2 PkgConfig::zlib PkgConfig::brotli
                       PkgConfig::zstd)
sluice_floor(target ABOVE net http PRECOMPILED standard)
sluice_floor(route ABOVE target PRECOMPILED standard LIBRARIES PkgConfig::re2)
sluice_floor(balance ABOVE target PRECOMPILED standard)
sluice_floor(upstream ABOVE route balance PRECOMPILED asio)
sluice_floor(proxy ABOVE upstream PRECOMPILED asio)
sluice_floor(control ABOVE proxy PRECOMPILED asio LIBRARIES Boost::json PkgConfig::pugixml)
sluice_floor(app ABOVE control PRECOMPILED asio LIBRARIES CLI11::CLI11)
