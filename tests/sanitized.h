// kSanitized: is this a build in which everything takes several times as long?
// Threads, Blocks, Errors: none. Cost: none. Lifetime: a constant.
#pragma once

namespace strandline::testing {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kSanitized =
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(undefined_behavior_sanitizer);
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace strandline::testing
