# Refuse a compiler that destroys temporaries of a co_await expression twice (coawait_self_test.cc
# says which). Such a compiler builds a Sluice that frees memory twice, so there is no way around
# this check. CMake remembers the result until the compiler or the build folder changes.
if(CMAKE_CROSSCOMPILING AND NOT CMAKE_CROSSCOMPILING_EMULATOR)
  message(WARNING "Cross compiling: the co_await self-test cannot run, check the compiler yourself")
  return()
endif()

if(NOT DEFINED SLUICE_COAWAIT_RUN)
  message(STATUS "Checking that co_await temporaries are destroyed once")
endif()
try_run(
  SLUICE_COAWAIT_RUN SLUICE_COAWAIT_COMPILE
  SOURCES "${CMAKE_CURRENT_LIST_DIR}/coawait_self_test.cc"
  COMPILE_OUTPUT_VARIABLE coawait_compile_output
  RUN_OUTPUT_VARIABLE coawait_run_output
  CXX_STANDARD 20
  CXX_STANDARD_REQUIRED ON)

set(coawait_verdict "")
if(NOT SLUICE_COAWAIT_COMPILE)
  set(coawait_verdict "does not compile C++20 coroutines:\n${coawait_compile_output}")
elseif(NOT SLUICE_COAWAIT_RUN EQUAL 0)
  set(coawait_verdict
      "miscompiles co_await: it destroys these temporaries twice:\n${coawait_run_output}")
endif()
if(coawait_verdict)
  # Forget the result, or the next attempt in this build folder would have no output to show.
  unset(SLUICE_COAWAIT_RUN CACHE)
  unset(SLUICE_COAWAIT_COMPILE CACHE)
  message(
    FATAL_ERROR
      "This compiler cannot be used for Sluice.\n"
      "${CMAKE_CXX_COMPILER} (${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}) "
      "${coawait_verdict}\n"
      "Use clang 19 (Debian package clang-19), which the presets choose:  cmake --preset release\n")
endif()
