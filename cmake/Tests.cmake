# Unit tests: tests/unit/**/*_test.cc and tests/architecture/*_test.cc in one GoogleTest program,
# each suite of it one test "unit.<suite>" (UnitTestSuites.cmake). Integration tests: each
# tests/integration/test_*.py is one test that drives the real binary, which it finds in the
# environment variable SLUICE_BINARY.

# What a sanitizer finds ends the program and so fails the test.
set(SLUICE_TEST_ENVIRONMENT
    "ASAN_OPTIONS=${SLUICE_SYMBOLIZER_OPTION}detect_stack_use_after_return=1"
    "UBSAN_OPTIONS=${SLUICE_SYMBOLIZER_OPTION}print_stacktrace=1"
    "TSAN_OPTIONS=${SLUICE_SYMBOLIZER_OPTION}halt_on_error=1:suppressions=${PROJECT_SOURCE_DIR}/tests/tsan-suppressions.txt"
    "PYTHONDONTWRITEBYTECODE=1"
    "SLUICE_SANITIZERS=${SLUICE_SANITIZERS}")

# Integration tests mostly wait: for timeouts, health checks, silences. So a job of ctest is a
# quarter of a processor (the presets have jobs for two), and a test says how many it takes
# (PROCESSORS): the files of the first list take one, those of the second a whole processor like
# the unit tests, all others half of one. Both lists have the longest first; those start first.
set(tests_that_wait
    websocket_times websocket_close websocket_pairs h2_targets timeouts retries health_checks
    filter_jwt_keys passive_health hedging deregistration proxy_protocol target_failures stop limits
    rule_overrides)
set(tests_that_work dying_targets tls_certificates chromium rolling_replacement filter_jwt socket_io
                    grpc grpc_js filter_rate_limit h2_streams)

# --- unit tests ---------------------------------------------------------------------------------
file(GLOB_RECURSE unit_tests CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/unit/*_test.cc"
     "${PROJECT_SOURCE_DIR}/tests/architecture/*_test.cc")
file(GLOB_RECURSE test_support CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/support/*.cc")
# Who only wants the product (scripts/run) need not have GoogleTest; scripts/test installs it.
find_package(GTest)
if(unit_tests AND GTest_FOUND)
  add_executable(sluice_unit_tests ${unit_tests} ${test_support})
  target_link_libraries(sluice_unit_tests PRIVATE sluice_floors GTest::gtest_main
                                                  PkgConfig::brotli_decoder)
  target_include_directories(sluice_unit_tests PRIVATE "${PROJECT_SOURCE_DIR}/tests")
  # The tests' own code runs once, so optimising it costs more time than it saves, and this program
  # is not optimised at link time. The sources of the product in it are compiled as in the product.
  target_compile_options(sluice_unit_tests PRIVATE -O0 $<$<BOOL:${SLUICE_LTO}>:-fno-lto>
                                                   $<$<BOOL:${SLUICE_LTO}>:-fno-fat-lto-objects>)
  target_compile_definitions(sluice_unit_tests
                             PRIVATE SLUICE_SOURCE_ROOT="${PROJECT_SOURCE_DIR}")
  if(SLUICE_PCH)
    target_precompile_headers(sluice_unit_tests PRIVATE <gtest/gtest.h> ${standard_headers}
                              ${asio_headers})
  endif()
  # Found when ctest runs, not when the program is linked: building stays free of side effects.
  file(GENERATE OUTPUT "${PROJECT_BINARY_DIR}/unit_test_suites.cmake" CONTENT
"set(program [==[$<TARGET_FILE:sluice_unit_tests>]==])
set(folder [==[${PROJECT_SOURCE_DIR}]==])
set(environment [==[${SLUICE_TEST_ENVIRONMENT}]==])
include([==[${PROJECT_SOURCE_DIR}/cmake/UnitTestSuites.cmake]==])
")
  set_property(DIRECTORY APPEND PROPERTY TEST_INCLUDE_FILES
                                         "${PROJECT_BINARY_DIR}/unit_test_suites.cmake")
endif()

# --- integration tests --------------------------------------------------------------------------
file(GLOB integration_tests CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/tests/integration/test_*.py")
if(integration_tests AND TARGET sluice)
  foreach(file IN LISTS integration_tests)
    get_filename_component(name "${file}" NAME_WE)
    string(REGEX REPLACE "^test_" "" name "${name}")
    # Debian's interpreter by its path, because Debian's packages of pytest live with it.
    add_test(NAME integration.${name} COMMAND /usr/bin/python3 -m pytest -q -p no:cacheprovider
                                              "${file}"
             WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}")
    set_tests_properties(
      integration.${name}
      PROPERTIES TIMEOUT 600 LABELS integration
                 ENVIRONMENT "${SLUICE_TEST_ENVIRONMENT};SLUICE_BINARY=$<TARGET_FILE:sluice>")
    list(FIND tests_that_wait "${name}" waiting)
    list(FIND tests_that_work "${name}" working)
    if(NOT waiting EQUAL -1)
      math(EXPR cost "100 - ${waiting}")
      set(processors 1)
    elseif(NOT working EQUAL -1)
      math(EXPR cost "100 - ${working}")
      set(processors 4)
    else()
      set(cost 1) # before the unit tests
      set(processors 2)
    endif()
    set_tests_properties(integration.${name} PROPERTIES PROCESSORS ${processors} COST ${cost})
  endforeach()
endif()
