# troupe_lean(<executable>...)
#
# Links a program so that its processes start fast: Cap'n Proto, KJ, libuv, libsodium and the C++ library come from their archives. What the
# kernel keeps for a process, which each start copies and each end drops, grows with the libraries that are loaded, by some five
# mappings each; and so do the page faults of what runs there. All functions are bound when the program is: else each process binds anew
# those that its supervisor has never called.
#
# Not for a program that loads other C++ libraries, which would bring the C++ library a second time, nor with sanitizers: it is
# linked as ever then. Where an archive is missing, the shared libraries are taken.
function(troupe_find_archives)
  get_filename_component(folder "${CAPNP_LIBRARY_DIRECTORY}" ABSOLUTE)
  foreach(name capnp-rpc kj-async capnp kj)
    find_library(TROUPE_ARCHIVE_${name} NAMES lib${name}.a HINTS "${folder}")
    mark_as_advanced(TROUPE_ARCHIVE_${name})
    list(APPEND capnp "${TROUPE_ARCHIVE_${name}}")
  endforeach()
  find_library(TROUPE_ARCHIVE_uv NAMES libuv_a.a libuv.a)
  find_library(TROUPE_ARCHIVE_sodium NAMES libsodium.a)
  mark_as_advanced(TROUPE_ARCHIVE_uv TROUPE_ARCHIVE_sodium)
  # By the name of the shared libraries' targets: whoever links those by themselves gets both.
  add_library(troupe::capnp_archives INTERFACE IMPORTED)
  add_library(troupe::uv_archive INTERFACE IMPORTED)
  add_library(troupe::sodium_archive INTERFACE IMPORTED)
  find_package(Threads REQUIRED)
  if(NOT "${capnp};${TROUPE_ARCHIVE_uv};${TROUPE_ARCHIVE_sodium}" MATCHES "NOTFOUND" AND NOT CMAKE_CXX_FLAGS MATCHES "-fsanitize")
    set_property(GLOBAL PROPERTY TROUPE_HAS_ARCHIVES ON)
    set_target_properties(troupe::capnp_archives PROPERTIES INTERFACE_LINK_LIBRARIES "${capnp};Threads::Threads")
    set_target_properties(troupe::uv_archive PROPERTIES
                          INTERFACE_LINK_LIBRARIES "${TROUPE_ARCHIVE_uv};Threads::Threads;${CMAKE_DL_LIBS};rt")
    set_target_properties(troupe::sodium_archive PROPERTIES
                          INTERFACE_LINK_LIBRARIES "${TROUPE_ARCHIVE_sodium};Threads::Threads")
  endif()
endfunction()
if(NOT TARGET troupe::capnp_archives)
  troupe_find_archives()
endif()

function(troupe_lean)
  get_property(hasArchives GLOBAL PROPERTY TROUPE_HAS_ARCHIVES)
  foreach(target IN LISTS ARGN)
    if(NOT TARGET ${target})
      message(FATAL_ERROR "troupe_lean: \"${target}\" is not a target. Its arguments name executables.")
    endif()
    get_target_property(type ${target} TYPE)
    if(NOT type STREQUAL "EXECUTABLE")
      message(FATAL_ERROR "troupe_lean: \"${target}\" is not an executable, and only those are linked.")
    endif()
    if(hasArchives)
      set_target_properties(${target} PROPERTIES TROUPE_LEAN ON)
      target_link_options(${target} PRIVATE -static-libstdc++ -static-libgcc -Wl,-z,noseparate-code
                          -Wl,-z,now)
    endif()
  endforeach()
endfunction()
