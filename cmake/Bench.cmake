# Tools of bench/: each bench/tools/*.cc is one program without any code of Sluice (the neutral
# target and the TCP relay everything is compared with). Target bench_tools, in optimised builds.
# Micro-benchmarks: bench/micro/*_bench.cc, program sluice_micro_bench, with -DSLUICE_BENCH=ON.
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  file(GLOB tool_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/tools/*.cc")
  add_custom_target(bench_tools)
  foreach(source IN LISTS tool_sources)
    get_filename_component(tool "${source}" NAME_WE)
    add_executable(${tool} EXCLUDE_FROM_ALL "${source}")
    target_link_libraries(${tool} PRIVATE Threads::Threads)
    set_target_properties(${tool} PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                                             "${PROJECT_BINARY_DIR}/bench")
    add_dependencies(bench_tools ${tool})
  endforeach()
endif()

if(SLUICE_BENCH)
  file(GLOB_RECURSE micro_benchmarks CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/bench/micro/*_bench.cc")
  if(micro_benchmarks)
    find_package(benchmark REQUIRED)
    add_executable(sluice_micro_bench ${micro_benchmarks})
    target_link_libraries(sluice_micro_bench PRIVATE sluice_floors benchmark::benchmark_main)
    sluice_link_time_optimisation(sluice_micro_bench)
    set_target_properties(sluice_micro_bench PROPERTIES RUNTIME_OUTPUT_DIRECTORY
                                                        "${PROJECT_BINARY_DIR}/bench")
  endif()
endif()
