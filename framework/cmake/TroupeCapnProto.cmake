# After find_package(CapnProto): makes its headers compile as C++20 with this compiler, where they do not by
# themselves. The reason is told in compat/kj/string.h.
include(CheckCXXSourceCompiles)

function(troupe_mend_capnproto)
  set(CMAKE_CXX_STANDARD 20)
  set(CMAKE_REQUIRED_QUIET ON)
  set(CMAKE_REQUIRED_LIBRARIES CapnProto::capnp)
  check_cxx_source_compiles("#include <capnp/blob.h>\nint main() { return 0; }" TROUPE_CAPNPROTO_COMPILES)
  if(NOT TROUPE_CAPNPROTO_COMPILES)
    target_include_directories(CapnProto::kj SYSTEM BEFORE INTERFACE
                               ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/compat)
  endif()
endfunction()
troupe_mend_capnproto()

# Kept for troupe_protocols(), which may be called in a folder that does not see this one's variables.
set_property(GLOBAL PROPERTY TROUPE_CAPNP "${CAPNP_EXECUTABLE}")
set_property(GLOBAL PROPERTY TROUPE_CAPNPC_CXX "${CAPNPC_CXX_EXECUTABLE}")
set_property(GLOBAL PROPERTY TROUPE_CAPNP_INCLUDES "${CAPNP_INCLUDE_DIRECTORY}")
