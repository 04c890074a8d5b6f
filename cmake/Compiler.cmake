# Flags for all code of ours. They are global, not per target, because precompiled headers are
# shared between targets and must have been compiled with the same flags.
if(NOT CMAKE_BUILD_TYPE)
  message(FATAL_ERROR "No CMAKE_BUILD_TYPE. Use a preset: cmake --preset release")
endif()

# --- one Asio for the whole build ---------------------------------------------------------------
# Mixed settings would be one-definition-rule violations, so they are given to every file alike.
# Compiled once, in src/net/asio.cc, it takes 40% off the compile time of each file that uses it.
# Eight cached coroutine frames per thread instead of two keep awaits of our depth off malloc.
add_compile_definitions(
  BOOST_ASIO_SEPARATE_COMPILATION
  BOOST_ASIO_NO_DEPRECATED
  BOOST_ASIO_NO_TS_EXECUTORS
  BOOST_ASIO_RECYCLING_ALLOCATOR_CACHE_SIZE=8)

# --- warnings -----------------------------------------------------------------------------------
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Wold-style-cast
                    -Woverloaded-virtual)
if(SLUICE_WARNINGS_AS_ERRORS)
  add_compile_options(-Werror)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  # Members left out of a designated initialiser keep the default written at their declaration.
  add_compile_options(-Wno-missing-designated-field-initializers)
endif()

# --- code and linker ----------------------------------------------------------------------------
# Position independent executables, also for the object libraries (CMake would use -fPIC there,
# and the precompiled headers could then not be shared with the executables).
add_compile_options(-pthread -fPIE -ffunction-sections -fdata-sections)
add_link_options(-pie -Wl,--gc-sections -Wl,--as-needed)

# -O3 against -O2 grows the program without a measurable gain in the request path.
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

string(REGEX MATCH "^[0-9]+" compiler_major "${CMAKE_CXX_COMPILER_VERSION}")

# lld, where the compiler finds its own (Debian package lld-19): several times faster than GNU ld,
# and the linker that reads this compiler's bitcode.
set(SLUICE_HAVE_LLD OFF)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  execute_process(
    COMMAND "${CMAKE_CXX_COMPILER}" -print-prog-name=ld.lld
    OUTPUT_VARIABLE lld
    OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(EXISTS "${lld}")
    set(SLUICE_HAVE_LLD ON)
    add_link_options(-fuse-ld=lld)
  endif()
endif()

if(SLUICE_CHECKED_STANDARD_LIBRARY)
  add_compile_definitions(_GLIBCXX_ASSERTIONS)
endif()

if(SLUICE_TRACEABLE)
  add_compile_options(-fno-omit-frame-pointer -gline-tables-only)
endif()

if(SLUICE_HARDENING)
  add_compile_options(-fstack-protector-strong -fstack-clash-protection -D_FORTIFY_SOURCE=2)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    add_compile_options(-fcf-protection=full)
  elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64")
    add_compile_options(-mbranch-protection=standard)
  endif()
  add_link_options(-Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
endif()

if(SLUICE_SANITIZERS)
  add_compile_options("-fsanitize=${SLUICE_SANITIZERS}" -fno-sanitize-recover=all
                      -fno-omit-frame-pointer)
  add_link_options("-fsanitize=${SLUICE_SANITIZERS}")

  # Reports with names and lines need the symbolizer of the same LLVM, which Debian keeps out of
  # PATH. The tests put this in front of their own sanitizer options.
  find_program(SLUICE_SYMBOLIZER llvm-symbolizer HINTS "/usr/lib/llvm-${compiler_major}/bin")
  if(SLUICE_SYMBOLIZER)
    set(SLUICE_SYMBOLIZER_OPTION "external_symbolizer_path=${SLUICE_SYMBOLIZER}:")
  endif()
endif()
if(SLUICE_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

# --- link-time optimisation ---------------------------------------------------------------------
# Objects carry both machine code and bitcode. Only the product is optimised at link time; the test
# programs, linked far more often, take the machine code of the same objects.
if(SLUICE_LTO)
  if(NOT SLUICE_HAVE_LLD)
    message(FATAL_ERROR "SLUICE_LTO needs clang and lld (Debian packages clang-19 and lld-19)")
  endif()
  add_compile_options(-flto=thin -ffat-lto-objects)
endif()

# Link the given executable with thin LTO when the build has it.
function(sluice_link_time_optimisation target)
  if(SLUICE_LTO)
    target_link_options(
      "${target}" PRIVATE -flto=thin -ffat-lto-objects -O2 -Wl,--icf=safe
      "-Wl,--thinlto-cache-dir=${PROJECT_BINARY_DIR}/lto-cache")
  endif()
endfunction()
