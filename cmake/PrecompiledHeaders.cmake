# Two precompiled headers, each compiled once and shared by all targets that ask for it:
# the standard library, and the standard library with Asio. They save compile time only: every file
# still includes what it uses, which the debug preset (without them) proves.
if(SLUICE_PCH)
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    # Without a time stamp inside, ccache can cache the header and what was compiled with it.
    add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
  endif()
  set(standard_headers
      <algorithm> <array> <atomic> <chrono> <functional> <map> <memory> <mutex> <optional> <span>
      <string> <string_view> <system_error> <unordered_map> <utility> <variant> <vector>)
  set(asio_headers
      <boost/asio/as_tuple.hpp> <boost/asio/awaitable.hpp> <boost/asio/buffer.hpp>
      <boost/asio/co_spawn.hpp> <boost/asio/deferred.hpp> <boost/asio/io_context.hpp>
      <boost/asio/ip/tcp.hpp> <boost/asio/post.hpp> <boost/asio/steady_timer.hpp>
      <boost/asio/use_awaitable.hpp>)

  file(WRITE "${PROJECT_BINARY_DIR}/pch/empty.cc" "")
  foreach(kind IN ITEMS standard asio)
    add_library(sluice_pch_${kind} OBJECT EXCLUDE_FROM_ALL "${PROJECT_BINARY_DIR}/pch/empty.cc")
  endforeach()
  target_precompile_headers(sluice_pch_standard PRIVATE ${standard_headers})
  target_precompile_headers(sluice_pch_asio PRIVATE ${standard_headers} ${asio_headers})
endif()

# Let a target use one of them: kind is "standard" or "asio".
function(sluice_use_precompiled_headers target kind)
  if(SLUICE_PCH)
    target_precompile_headers("${target}" REUSE_FROM sluice_pch_${kind})
  endif()
endfunction()
