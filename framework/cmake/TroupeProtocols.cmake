# troupe_protocols(<target> <schema>...)
#
# Gives <target> the protocols of Cap'n Proto schemas. From each x.capnp come x.capnp.h (messages) and
# x.actor.h (Ref<T> and the base for Actor<Self, T>), which the target's sources include by the schema's own
# relative path; x.capnp.c++ becomes one of its sources, and troupe::troupe is linked.
#
# Paths:   relative to the calling CMakeLists.txt, or absolute. protocols/x.capnp gives "protocols/x.actor.h";
#          a schema from outside the calling folder is included by its file name alone.
# Imports: a schema may import others given in the same call, by a relative path; and "/x.capnp" from the
#          calling folder.
# Where:   in the folder that defines the target. The target may be an executable or a library; those who link
#          the library see the headers too. Two targets of one program should share a schema through a
#          library, and not compile it twice.
function(troupe_protocols target)
  if(NOT TARGET ${target})
    message(FATAL_ERROR "troupe_protocols: \"${target}\" is not a target. Its first argument names an "
                        "executable or a library that add_executable or add_library has defined before.")
  endif()
  get_target_property(aliased ${target} ALIASED_TARGET)
  get_target_property(type ${target} TYPE)
  get_target_property(folder ${target} SOURCE_DIR)
  if(aliased OR type STREQUAL "INTERFACE_LIBRARY" OR type STREQUAL "UTILITY")
    message(FATAL_ERROR "troupe_protocols: \"${target}\" can't hold compiled schemas (it is an alias, an "
                        "interface library or a custom target). Give an executable or a library.")
  endif()
  if(NOT folder STREQUAL CMAKE_CURRENT_SOURCE_DIR)
    message(FATAL_ERROR "troupe_protocols: \"${target}\" is defined in ${folder}. Call "
                        "troupe_protocols there, and not in ${CMAKE_CURRENT_SOURCE_DIR}.")
  endif()
  if(NOT ARGN)
    message(FATAL_ERROR "troupe_protocols: no schema given for \"${target}\". Name at least one .capnp file.")
  endif()

  set(schemas)
  foreach(schema IN LISTS ARGN)
    cmake_path(ABSOLUTE_PATH schema BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
    if(NOT EXISTS "${schema}" OR IS_DIRECTORY "${schema}")
      message(FATAL_ERROR "troupe_protocols: no such schema for \"${target}\": ${schema}")
    endif()
    if(NOT schema MATCHES "\\.capnp$")
      message(FATAL_ERROR "troupe_protocols: a schema of \"${target}\" does not end in .capnp: ${schema}")
    endif()
    list(APPEND schemas "${schema}")
  endforeach()

  set(generated "${CMAKE_CURRENT_BINARY_DIR}/${target}_protocols")
  file(MAKE_DIRECTORY "${generated}")
  get_property(capnp GLOBAL PROPERTY TROUPE_CAPNP)
  get_property(capnpCxx GLOBAL PROPERTY TROUPE_CAPNPC_CXX)
  get_property(capnpIncludes GLOBAL PROPERTY TROUPE_CAPNP_INCLUDES)
  foreach(schema IN LISTS schemas)
    set(prefix "${CMAKE_CURRENT_SOURCE_DIR}")
    cmake_path(IS_PREFIX prefix "${schema}" inside)
    if(NOT inside)
      cmake_path(GET schema PARENT_PATH prefix)
    endif()
    cmake_path(RELATIVE_PATH schema BASE_DIRECTORY "${prefix}" OUTPUT_VARIABLE name)
    string(REGEX REPLACE "\\.capnp$" "" stem "${name}")
    set(output "${generated}/${stem}")
    # All schemas of the call are dependencies of each: one may import another.
    add_custom_command(
      OUTPUT "${output}.capnp.c++" "${output}.capnp.h" "${output}.actor.h"
      COMMAND "${capnp}" compile "-o${capnpCxx}:${generated}"
              "-o$<TARGET_FILE:troupe::capnpc-troupe>:${generated}" "--src-prefix=${prefix}"
              "-I${CMAKE_CURRENT_SOURCE_DIR}" "-I${capnpIncludes}" "${schema}"
      DEPENDS ${schemas} troupe::capnpc-troupe
      COMMENT "Compiling protocol ${name} for ${target}"
      VERBATIM)
    set_source_files_properties("${output}.capnp.c++" PROPERTIES COMPILE_OPTIONS -w)
    target_sources(${target} PRIVATE "${output}.capnp.c++" "${output}.capnp.h" "${output}.actor.h")
  endforeach()

  # Properties rather than target_link_libraries: a project may use that with or without keywords, and CMake
  # forbids to mix them.
  target_include_directories(${target} SYSTEM PUBLIC "$<BUILD_INTERFACE:${generated}>")
  set_property(TARGET ${target} APPEND PROPERTY LINK_LIBRARIES troupe::troupe)
  set_property(TARGET ${target} APPEND PROPERTY INTERFACE_LINK_LIBRARIES troupe::troupe)
endfunction()
