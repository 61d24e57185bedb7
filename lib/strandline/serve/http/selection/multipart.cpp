#include "multipart.h"

#include <strandline/origin/http/protocol/syntax.h>

#include "byte_ranges.h"

namespace strandline::serve::http {
namespace {

std::string hex_digits(std::uint64_t number) {
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) {
    text += "0123456789abcdef"[number >> shift & 15];
  }
  return text;
}

}  // namespace

Multipart::Multipart(const std::vector<ByteRange>& parts, std::optional<std::uint64_t> length, std::string_view type,
                     std::array<std::uint64_t, 2> random)
    : boundary_(hex_digits(random[0]) + hex_digits(random[1])) {
  std::string type_line;
  if (!type.empty() && origin::http::is_field_value(type)) {
    type_line = "Content-Type: " + std::string(type) + "\r\n";
  }
  // The line end before a boundary belongs to it, not to the bytes before.
  for (const ByteRange part : parts) {
    heads_.push_back((heads_.empty() ? "--" : "\r\n--") + boundary_ + "\r\n" + type_line +
                     "Content-Range: " + content_range(part, length) + "\r\n\r\n");
    content_length_ += heads_.back().size() + part.size();
  }
  tail_ = "\r\n--" + boundary_ + "--\r\n";
  content_length_ += tail_.size();
}

}  // namespace strandline::serve::http
