#include <strandline/base/byte_range.h>

namespace strandline {

Result<ByteRange> ByteRange::checked(std::uint64_t begin, std::uint64_t end) {
  if (begin > end) {
    return fail(Errc::invalid_range, "the range begins after its end");
  }
  if (end > kMaxOffset) {
    return fail(Errc::invalid_range, "the range ends past 2^63 - 1");
  }
  return ByteRange{begin, end};
}

Result<ByteRange> ByteRange::from_size(std::uint64_t offset, std::uint64_t size) {
  if (offset > kMaxOffset || size > kMaxOffset - offset) {
    return fail(Errc::invalid_range, "offset + size is past 2^63 - 1");
  }
  return ByteRange{offset, offset + size};
}

std::string to_string(ByteRange range) {
  std::string text = "[";
  text += std::to_string(range.begin);
  text += ", ";
  text += std::to_string(range.end);
  text += ')';
  return text;
}

}  // namespace strandline
