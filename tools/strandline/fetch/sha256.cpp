#include "sha256.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <vector>

namespace strandline::tool {
namespace {

struct Free {
  void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
};

class OpenFile {
 public:
  explicit OpenFile(const std::filesystem::path& path) noexcept : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (fd_ >= 0) {
      ::close(fd_);
    }
  }
  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  const int fd_;
};

}  // namespace

bool has_sha256() noexcept {
  return true;
}

Result<std::string> sha256_of(const std::filesystem::path& path, const std::stop_token& stop) {
  const OpenFile file(path);
  if (file.fd() < 0) {
    return fail(Error::system(errno, "open", path.native()));
  }
  const std::unique_ptr<EVP_MD_CTX, Free> hash(EVP_MD_CTX_new());
  if (hash == nullptr || EVP_DigestInit_ex(hash.get(), EVP_sha256(), nullptr) != 1) {
    return fail(Errc::no_memory, "SHA-256");
  }
  std::vector<std::byte> buffer(1 << 20);
  for (;;) {
    if (stop.stop_requested()) {
      return fail(Errc::interrupted, path.native());
    }
    const ssize_t count = ::read(file.fd(), buffer.data(), buffer.size());
    if (count < 0 && errno != EINTR) {
      return fail(Error::system(errno, "read", path.native()));
    }
    if (count == 0) {
      break;
    }
    if (count > 0 && EVP_DigestUpdate(hash.get(), buffer.data(), static_cast<std::size_t>(count)) != 1) {
      return fail(Errc::io, "SHA-256");
    }
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_DigestFinal_ex(hash.get(), digest.data(), &size) != 1) {
    return fail(Errc::io, "SHA-256");
  }
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    text += kDigits[digest[i] >> 4U];
    text += kDigits[digest[i] & 15U];
  }
  return text;
}

}  // namespace strandline::tool
