// Multipart: the text between the parts of a multipart/byteranges body (RFC 9110, section 14.6), with its length known
// before any of it is sent. For two parts at least: one is a plain 206 (section 15.3.7.2).
// Threads: a value; const calls at once. Blocks: never. Errors: none. Throws bad_alloc. Cost: a short string for each
// part. Lifetime: owns its text.
#pragma once

#include <strandline/base/byte_range.h>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace strandline::serve::http {

class Multipart {
 public:
  // `type`: of the content; left out where it is empty or could not stand in a header. `random`: new for each answer
  // and not to be foreseen, for the content must not have the boundary in it (RFC 2046, section 5.1.1).
  Multipart(const std::vector<ByteRange>& parts, std::optional<std::uint64_t> length, std::string_view type,
            std::array<std::uint64_t, 2> random);

  // The Content-Type of the answer.
  [[nodiscard]] std::string content_type() const { return "multipart/byteranges; boundary=" + boundary_; }
  [[nodiscard]] std::uint64_t content_length() const noexcept { return content_length_; }
  // What goes before the bytes of each part, and what goes behind those of the last.
  [[nodiscard]] const std::vector<std::string>& heads() const noexcept { return heads_; }
  [[nodiscard]] const std::string& tail() const noexcept { return tail_; }

 private:
  std::string boundary_;
  std::vector<std::string> heads_;
  std::string tail_;
  std::uint64_t content_length_ = 0;
};

}  // namespace strandline::serve::http
