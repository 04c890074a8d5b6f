# Target fuzz_targets: each tests/fuzz/<name>_fuzz.cc is one libFuzzer program, and one test "fuzz.<name>" that feeds it
# first its kept seeds (tests/fuzz/seeds/<name>/), then mutations, within the bounds below. A
# dictionary tests/fuzz/<name>.dict is used when there is one. Crashing inputs are left in
# <build>/crashes.
set(SLUICE_FUZZ_SECONDS 20 CACHE STRING "Seconds each fuzz target runs under ctest")
set(SLUICE_FUZZ_RUNS 1000000 CACHE STRING "Inputs each fuzz target tries at most under ctest")

if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "The fuzz preset needs clang's libFuzzer")
endif()

math(EXPR fuzz_test_timeout "${SLUICE_FUZZ_SECONDS} * 3 + 120") # seeds first, and a slow machine
file(MAKE_DIRECTORY "${PROJECT_BINARY_DIR}/crashes")
add_custom_target(fuzz_targets)
file(GLOB fuzz_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/fuzz/*_fuzz.cc")
foreach(source IN LISTS fuzz_sources)
  get_filename_component(target "${source}" NAME_WE)
  string(REGEX REPLACE "_fuzz$" "" name "${target}")

  add_executable(${target} EXCLUDE_FROM_ALL "${source}")
  add_dependencies(fuzz_targets ${target})
  target_link_libraries(${target} PRIVATE sluice_floors)
  target_link_options(${target} PRIVATE -fsanitize=fuzzer)

  # libFuzzer writes new inputs to the first folder and only reads the others.
  set(corpus "${PROJECT_BINARY_DIR}/corpus/${name}")
  file(MAKE_DIRECTORY "${corpus}")
  set(arguments "${corpus}")
  set(seeds "${PROJECT_SOURCE_DIR}/tests/fuzz/seeds/${name}")
  if(IS_DIRECTORY "${seeds}")
    list(APPEND arguments "${seeds}")
  endif()
  set(dictionary "${PROJECT_SOURCE_DIR}/tests/fuzz/${name}.dict")
  if(EXISTS "${dictionary}")
    list(APPEND arguments "-dict=${dictionary}")
  endif()

  add_test(
    NAME fuzz.${name}
    COMMAND
      ${target} ${arguments} -max_total_time=${SLUICE_FUZZ_SECONDS} -runs=${SLUICE_FUZZ_RUNS}
      -timeout=10 -rss_limit_mb=2048 -print_final_stats=1
      "-artifact_prefix=${PROJECT_BINARY_DIR}/crashes/${name}-")
  set_tests_properties(
    fuzz.${name}
    PROPERTIES TIMEOUT ${fuzz_test_timeout} PROCESSORS 4 LABELS fuzz
               ENVIRONMENT "ASAN_OPTIONS=${SLUICE_SYMBOLIZER_OPTION};\
UBSAN_OPTIONS=${SLUICE_SYMBOLIZER_OPTION}print_stacktrace=1")
endforeach()
