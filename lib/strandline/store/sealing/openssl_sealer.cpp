// The one file that speaks to OpenSSL (3.0; EVP_EncryptInit(3), EVP_KDF-HKDF(7), RAND_bytes(3)).
#include <strandline/drivers/file/failure.h>
#include <strandline/store/sealing/sealer.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

namespace strandline::store {
namespace {

template <auto kFree>
struct Free {
  template <class T>
  void operator()(T* object) const noexcept {
    kFree(object);
  }
};
using CipherHandle = std::unique_ptr<::EVP_CIPHER, Free<&::EVP_CIPHER_free>>;
using Context = std::unique_ptr<::EVP_CIPHER_CTX, Free<&::EVP_CIPHER_CTX_free>>;
using KdfHandle = std::unique_ptr<::EVP_KDF, Free<&::EVP_KDF_free>>;
using KdfContext = std::unique_ptr<::EVP_KDF_CTX, Free<&::EVP_KDF_CTX_free>>;
using Nonce = std::array<std::byte, 12>;
using Tag = std::array<std::byte, 16>;

constexpr std::string_view kInfo = "strandline aes-256-gcm v1 ";
constexpr std::string_view kCheckLabel = "strandline key check v1";
// No piece is sealed under it: it is the key check's.
constexpr Nonce kReserved{};

const unsigned char* in(std::span<const std::byte> bytes) noexcept {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}
unsigned char* out(std::span<std::byte> bytes) noexcept {
  return reinterpret_cast<unsigned char*>(bytes.data());
}

// OpenSSL's own words say nothing of what was encrypted; they are dropped all the same, or the thread keeps them.
tl::unexpected<Error> failed(std::string_view what) noexcept {
  ::ERR_clear_error();
  return fail(Errc::io, what);
}

Result<void> random_bytes(std::span<std::byte> bytes) noexcept {
  return ::RAND_bytes(out(bytes), static_cast<int>(bytes.size())) == 1 ? Result<void>() : failed("OpenSSL: RAND_bytes");
}

// The entry's key may be longer than what OpenSSL takes as HKDF's info: its digest stands for it.
Result<void> derive(const SecretKey& secret, std::string_view entry, std::span<const std::byte> salt,
                    std::span<std::byte> key) {
  std::vector<unsigned char> info(kInfo.begin(), kInfo.end());
  std::array<unsigned char, 32> digest{};
  std::size_t digest_bytes = 0;
  if (::EVP_Q_digest(nullptr, "SHA256", nullptr, entry.data(), entry.size(), digest.data(), &digest_bytes) != 1 ||
      digest_bytes != digest.size()) {
    return failed("OpenSSL: SHA-256");
  }
  info.insert(info.end(), digest.begin(), digest.end());
  const KdfHandle kdf(::EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  const KdfContext context(kdf != nullptr ? ::EVP_KDF_CTX_new(kdf.get()) : nullptr);
  std::string hash = "SHA256";
  // OSSL_PARAM takes what it only reads as if it wrote it.
  std::array<::OSSL_PARAM, 5> params = {
      ::OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, hash.data(), 0),
      ::OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, const_cast<unsigned char*>(in(secret.bytes())),
                                          SecretKey::kBytes),
      ::OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, const_cast<unsigned char*>(in(salt)), salt.size()),
      ::OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.data(), info.size()), ::OSSL_PARAM_construct_end()};
  if (context == nullptr || ::EVP_KDF_derive(context.get(), out(key), key.size(), params.data()) != 1) {
    return failed("OpenSSL: HKDF");
  }
  return {};
}

std::array<std::byte, 32> bound_to(std::uint64_t generation, ByteRange range) noexcept {
  std::array<std::byte, 32> bytes{};
  std::size_t at = 0;
  for (const std::uint64_t number : {generation, range.begin / kPieceBlock, range.begin, range.end}) {
    for (unsigned shift = 0; shift < 64; shift += 8) {
      bytes[at++] = static_cast<std::byte>(number >> shift);
    }
  }
  return bytes;
}

}  // namespace

struct Sealer::Keyed {
  CipherHandle cipher;
  std::array<std::byte, 32> key{};
  Keyed() noexcept = default;
  Keyed(const Keyed&) = delete;
  Keyed& operator=(const Keyed&) = delete;
  ~Keyed() { wipe(key); }

  // A context per call: they are not thread-safe, and making one is a hundredth of a piece's time.
  [[nodiscard]] Result<Tag> encrypt(const Nonce& nonce, std::span<const std::byte> bound,
                                    std::span<const std::byte> plain, std::span<std::byte> sealed) const noexcept {
    const Context context(::EVP_CIPHER_CTX_new());
    Tag tag{};
    int count = 0;
    if (context == nullptr || ::EVP_EncryptInit_ex2(context.get(), cipher.get(), in(key), in(nonce), nullptr) != 1 ||
        ::EVP_EncryptUpdate(context.get(), nullptr, &count, in(bound), static_cast<int>(bound.size())) != 1 ||
        (!plain.empty() &&
         ::EVP_EncryptUpdate(context.get(), out(sealed), &count, in(plain), static_cast<int>(plain.size())) != 1) ||
        ::EVP_EncryptFinal_ex(context.get(), out(sealed), &count) != 1 ||
        ::EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(tag.size()), tag.data()) != 1) {
      return failed("OpenSSL: AES-256-GCM");
    }
    return tag;
  }

  [[nodiscard]] Result<void> decrypt(const Nonce& nonce, Tag tag, std::span<const std::byte> bound,
                                     std::span<const std::byte> sealed, std::span<std::byte> plain) const noexcept {
    const Context context(::EVP_CIPHER_CTX_new());
    int count = 0;
    if (context == nullptr || ::EVP_DecryptInit_ex2(context.get(), cipher.get(), in(key), in(nonce), nullptr) != 1 ||
        ::EVP_DecryptUpdate(context.get(), nullptr, &count, in(bound), static_cast<int>(bound.size())) != 1 ||
        (!sealed.empty() &&
         ::EVP_DecryptUpdate(context.get(), out(plain), &count, in(sealed), static_cast<int>(sealed.size())) != 1) ||
        ::EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(tag.size()), tag.data()) != 1) {
      return failed("OpenSSL: AES-256-GCM");
    }
    std::array<unsigned char, 16> rest{};
    if (::EVP_DecryptFinal_ex(context.get(), rest.data(), &count) != 1) {
      ::ERR_clear_error();
      return fail(Errc::corrupt, "sealed bytes");
    }
    return {};
  }

  [[nodiscard]] Result<Tag> check() const noexcept {
    return encrypt(kReserved, std::as_bytes(std::span(kCheckLabel)), {}, {});
  }
};

void wipe(std::span<std::byte> bytes) noexcept {
  ::OPENSSL_cleanse(bytes.data(), bytes.size());
}

bool Sealer::supported() noexcept {
  return true;
}

Sealer::Sealer(std::unique_ptr<Keyed> keyed, const Cipher& cipher, std::uint64_t generation) noexcept
    : keyed_(std::move(keyed)), cipher_(cipher), generation_(generation) {}
Sealer::~Sealer() = default;

Result<std::unique_ptr<Sealer>> Sealer::make(const SecretKey& secret, std::string_view entry, std::uint64_t generation,
                                             const Cipher& cipher) noexcept {
  return file::contained([&]() -> Result<std::unique_ptr<Sealer>> {
    auto keyed = std::make_unique<Keyed>();
    // Fetched once: by name it is looked up under a lock (crypto(7), "Performance").
    keyed->cipher.reset(::EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr));
    if (keyed->cipher == nullptr) {
      return failed("OpenSSL: no AES-256-GCM");
    }
    if (auto derived = derive(secret, entry, cipher.salt, keyed->key); !derived) {
      return fail(std::move(derived.error()));
    }
    return std::unique_ptr<Sealer>(new Sealer(std::move(keyed), cipher, generation));
  });
}

Result<std::unique_ptr<Sealer>> Sealer::begin(const SecretKey& secret, std::string_view entry,
                                              std::uint64_t generation) noexcept {
  Cipher cipher;
  if (auto drawn = random_bytes(cipher.salt); !drawn) {
    return fail(std::move(drawn.error()));
  }
  auto sealer = make(secret, entry, generation, cipher);
  if (sealer) {
    const auto check = (*sealer)->keyed_->check();
    if (!check) {
      return fail(check.error().clone());
    }
    (*sealer)->cipher_.check = *check;
  }
  return sealer;
}

Result<std::unique_ptr<Sealer>> Sealer::open(const SecretKey& secret, std::string_view entry, std::uint64_t generation,
                                             const Cipher& cipher) noexcept {
  if (cipher.algorithm != Cipher::kAes256Gcm) {
    return fail(Errc::unsupported, "an algorithm that this version does not know");
  }
  auto sealer = make(secret, entry, generation, cipher);
  if (sealer) {
    const auto check = (*sealer)->keyed_->check();
    if (!check) {
      return fail(check.error().clone());
    }
    if (::CRYPTO_memcmp(check->data(), cipher.check.data(), check->size()) != 0) {
      return fail(Errc::permission_denied, "it is encrypted with another key");
    }
  }
  return sealer;
}

Result<Piece> Sealer::seal(ByteRange range, std::span<const std::byte> plain,
                           std::span<std::byte> sealed) const noexcept {
  Piece piece;
  piece.range = range;
  do {
    if (auto drawn = random_bytes(piece.nonce); !drawn) {
      return fail(std::move(drawn.error()));
    }
  } while (piece.nonce == kReserved);
  auto tag = keyed_->encrypt(piece.nonce, bound_to(generation_, range), plain, sealed);
  if (!tag) {
    return fail(std::move(tag.error()));
  }
  piece.tag = *tag;
  return piece;
}

// What is decrypted before its tag has been looked at must not be seen.
Result<void> Sealer::open(const Piece& piece, std::span<const std::byte> sealed,
                          std::span<std::byte> plain) const noexcept {
  auto opened = keyed_->decrypt(piece.nonce, piece.tag, bound_to(generation_, piece.range), sealed, plain);
  if (!opened) {
    wipe(plain);
  }
  return opened;
}

}  // namespace strandline::store
