#include <openssl/evp.h>
#include <strandline/serve/access/hidden.h>

#include <array>

namespace strandline::serve {

std::optional<std::string> hidden(std::string_view query) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  std::size_t size = 0;
  if (EVP_Q_digest(nullptr, "SHA256", nullptr, query.data(), query.size(), digest.data(), &size) != 1) {
    return std::nullopt;
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < size; ++i) {
    text += kDigits[digest[i] >> 4U];
    text += kDigits[digest[i] & 15U];
  }
  return text;
}

}  // namespace strandline::serve
