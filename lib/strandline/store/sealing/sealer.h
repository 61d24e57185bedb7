// Sealer: encrypts and authenticates the pieces of one version of an entry: AES-256-GCM (NIST SP 800-38D), under a key
// of that version's own. docs/format.md has what goes into each piece.
// Threads: thread-safe. Blocks: never; begin() may, on the system's random bytes. Errors: unsupported in a build
// without OpenSSL; corrupt for what was not sealed so; permission_denied for another key; no_memory; io when OpenSSL
// fails. Cost: some 30 us per 64 KiB. Lifetime: wipes its key when it ends; the caller's key is needed to make it, and
// no more.
#pragma once

#include <strandline/store/journal/pieces.h>
#include <strandline/store/sealing/secret_key.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace strandline::store {

class Sealer {
 public:
  // Can this build encrypt?
  [[nodiscard]] static bool supported() noexcept;

  // For a new version of the entry of this key, with a salt of its own.
  [[nodiscard]] static Result<std::unique_ptr<Sealer>> begin(const SecretKey& secret, std::string_view entry,
                                                             std::uint64_t generation) noexcept;
  // For what a journal says. unsupported, too, for an algorithm that this does not know.
  [[nodiscard]] static Result<std::unique_ptr<Sealer>> open(const SecretKey& secret, std::string_view entry,
                                                            std::uint64_t generation, const Cipher& cipher) noexcept;
  Sealer(const Sealer&) = delete;
  Sealer& operator=(const Sealer&) = delete;
  ~Sealer();

  [[nodiscard]] const Cipher& cipher() const noexcept { return cipher_; }

  // Encrypts the bytes of a range, which may be a piece, into as many; in place, if they are the same.
  [[nodiscard]] Result<Piece> seal(ByteRange range, std::span<const std::byte> plain,
                                   std::span<std::byte> sealed) const noexcept;
  // And back; in place, if they are the same. After an error there are zeros in `plain`.
  [[nodiscard]] Result<void> open(const Piece& piece, std::span<const std::byte> sealed,
                                  std::span<std::byte> plain) const noexcept;

 private:
  struct Keyed;  // what OpenSSL needs
  Sealer(std::unique_ptr<Keyed> keyed, const Cipher& cipher, std::uint64_t generation) noexcept;
  [[nodiscard]] static Result<std::unique_ptr<Sealer>> make(const SecretKey& secret, std::string_view entry,
                                                            std::uint64_t generation, const Cipher& cipher) noexcept;

  const std::unique_ptr<Keyed> keyed_;
  Cipher cipher_;
  const std::uint64_t generation_;
};

}  // namespace strandline::store
