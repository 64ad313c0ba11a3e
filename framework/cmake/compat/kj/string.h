// Stands before Cap'n Proto's own <kj/string.h> where that needs it: versions before 1.0.1 leave `const char*
// == kj::StringPtr` to the reversed operator of C++20, which newer compilers (clang 16, g++ 13) no longer try
// where the class has an operator!= too. Then <capnp/blob.h> does not compile. TroupeCapnProto.cmake finds
// out whether to use this.
#pragma once
#pragma GCC system_header
#include_next <kj/string.h>

namespace kj {

inline bool operator==(const char* a, const StringPtr& b) { return StringPtr(a) == b; }
inline bool operator!=(const char* a, const StringPtr& b) { return !(StringPtr(a) == b); }

}  // namespace kj
