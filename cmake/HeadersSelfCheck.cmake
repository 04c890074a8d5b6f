# Target headers_selfcheck: every public header compiles alone, in a file that includes nothing
# else (and includes it twice), without precompiled headers.
file(GLOB_RECURSE public_headers CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}/include"
     "${PROJECT_SOURCE_DIR}/include/sluice/*.h")
set(selfcheck_sources "")
foreach(header IN LISTS public_headers)
  string(REGEX REPLACE "\\.h$" ".cc" source "${PROJECT_BINARY_DIR}/headers_selfcheck/${header}")
  file(CONFIGURE OUTPUT "${source}" CONTENT "#include \"${header}\"\n#include \"${header}\"\n")
  list(APPEND selfcheck_sources "${source}")
endforeach()

if(selfcheck_sources)
  add_library(headers_selfcheck OBJECT ${selfcheck_sources})
  target_link_libraries(headers_selfcheck PRIVATE sluice_floors)
  add_dependencies(headers_selfcheck sluice_version)
endif()
