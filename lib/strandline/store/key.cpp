#include <strandline/store/journal/format.h>
#include <strandline/store/key.h>

#include <boost/uuid/name_generator_sha1.hpp>
#include <boost/uuid/uuid.hpp>

namespace strandline::store {

// Drawn once, at random, for Strandline: it must never change, or no entry is found again.
constexpr boost::uuids::uuid kNamespace = {
    {0x8f, 0x2c, 0x51, 0x7e, 0x0b, 0x9a, 0x4d, 0x36, 0xa4, 0xe1, 0x6b, 0xd8, 0x93, 0x07, 0xc5, 0x1f}};

Result<void> check_key(std::string_view key) noexcept {
  if (key.empty() || key.size() > kMaxKey) {
    return fail(Errc::invalid_argument, "a key of no bytes, or of more than 65536");
  }
  return {};
}

std::string name_of_key(std::string_view key) {
  const boost::uuids::uuid id = boost::uuids::name_generator_sha1(kNamespace)(key.data(), key.size());
  std::string name;
  for (const unsigned byte : id) {
    name += "0123456789abcdef"[byte >> 4];
    name += "0123456789abcdef"[byte & 15];
  }
  return name;
}

std::string numbered_name(const std::string& name, std::size_t number) {
  return number == 0 ? name : name + "-" + std::to_string(number);
}

}  // namespace strandline::store
