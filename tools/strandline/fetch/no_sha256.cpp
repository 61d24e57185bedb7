// In a build without libcrypto: no checksum can be asked for.
#include "sha256.h"

namespace strandline::tool {

bool has_sha256() noexcept {
  return false;
}

Result<std::string> sha256_of(const std::filesystem::path& path, const std::stop_token&) {
  return fail(Errc::unsupported, path.native() + ": built without libcrypto");
}

}  // namespace strandline::tool
