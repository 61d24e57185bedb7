// sha256_of(): the SHA-256 of a file, by libcrypto.
// Threads: any. Blocks: on the disk, and for as long as hashing takes; a stop ends it with interrupted. Errors: the
// system's, with the path; unsupported in a build without libcrypto. Cost: a buffer of 1 MiB. Lifetime: values.
#pragma once

#include <strandline/base/error.h>

#include <filesystem>
#include <stop_token>
#include <string>

namespace strandline::tool {

[[nodiscard]] bool has_sha256() noexcept;
// In hexadecimal, lower case.
[[nodiscard]] Result<std::string> sha256_of(const std::filesystem::path& path, const std::stop_token& stop);

}  // namespace strandline::tool
