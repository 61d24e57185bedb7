// Keys: what users call entries by, and what their files are called.
// Threads: pure functions. Blocks: never. Errors: invalid_argument for a key that is empty or too long; naming throws
// std::bad_alloc. Cost: a SHA-1 of the key. Lifetime: values.
#pragma once

#include <strandline/base/error.h>

#include <cstddef>
#include <string>
#include <string_view>

namespace strandline::store {

// Any bytes, 1 to 65536 of them; two keys are the same if all their bytes are.
[[nodiscard]] Result<void> check_key(std::string_view key) noexcept;

// The UUID, version 5 (RFC 9562, section 5.5), of the key in a namespace of our own: 32 hexadecimal digits.
[[nodiscard]] std::string name_of_key(std::string_view key);

// Keys with the same UUID tell their files apart by "-1" and so on; this many can stand side by side.
inline constexpr std::size_t kNamesPerKey = 4;
[[nodiscard]] std::string numbered_name(const std::string& name, std::size_t number);

}  // namespace strandline::store
