// Whether this program was built with sanitizers, which take memory, and crash in a way of their own.
#pragma once

namespace tests {

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace tests
