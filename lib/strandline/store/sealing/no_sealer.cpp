// Sealer in a build without OpenSSL: what is encrypted cannot be read, and nothing be encrypted.
#include <strandline/store/sealing/sealer.h>

#include <string.h>

namespace strandline::store {

namespace {

tl::unexpected<Error> without_openssl() noexcept {
  return fail(Errc::unsupported, "this build has no encryption");
}

}  // namespace

struct Sealer::Keyed {};

void wipe(std::span<std::byte> bytes) noexcept {
  ::explicit_bzero(bytes.data(), bytes.size());
}

bool Sealer::supported() noexcept {
  return false;
}

Sealer::Sealer(std::unique_ptr<Keyed> keyed, const Cipher& cipher, std::uint64_t generation) noexcept
    : keyed_(std::move(keyed)), cipher_(cipher), generation_(generation) {}
Sealer::~Sealer() = default;

Result<std::unique_ptr<Sealer>> Sealer::begin(const SecretKey& /*secret*/, std::string_view /*entry*/,
                                              std::uint64_t /*generation*/) noexcept {
  return without_openssl();
}
Result<std::unique_ptr<Sealer>> Sealer::open(const SecretKey& /*secret*/, std::string_view /*entry*/,
                                             std::uint64_t /*generation*/, const Cipher& /*cipher*/) noexcept {
  return without_openssl();
}
Result<Piece> Sealer::seal(ByteRange /*range*/, std::span<const std::byte> /*plain*/,
                           std::span<std::byte> /*sealed*/) const noexcept {
  return without_openssl();
}
Result<void> Sealer::open(const Piece& /*piece*/, std::span<const std::byte> /*sealed*/,
                          std::span<std::byte> /*plain*/) const noexcept {
  return without_openssl();
}

}  // namespace strandline::store
