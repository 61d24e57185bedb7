// StrictHead: finds and checks the head of one request, before a more patient parser sees it: what two parsers could
// read in two ways is refused, so that nothing is smuggled between them (RFC 9112, section 11.2).
// Threads: one at a time. Blocks: never. Errors: a Refusal; what comes behind it is not to be looked at. Cost: each
// byte is looked at once; nothing is copied. Lifetime: one for each request.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <tl/expected.hpp>

#include "refusal.h"

namespace strandline::serve::http {

inline constexpr std::size_t kMaxHead = std::size_t{16} * 1024;  // bytes, the empty line among them
inline constexpr std::size_t kMaxFields = 100;

class StrictHead {
 public:
  // `bytes`: all that has come since the end of the message before; each time the same and more. None: more is needed.
  // Else the head, from the request line to the empty line, as a part of `bytes`: empty lines before it are none of it
  // (RFC 9112, section 2.2). A target is checked by parse_request_target.
  [[nodiscard]] tl::expected<std::optional<std::string_view>, Refusal> look(std::string_view bytes);

 private:
  [[nodiscard]] std::optional<Refusal> check_request_line(std::string_view line);
  [[nodiscard]] std::optional<Refusal> check_field(std::string_view line);
  [[nodiscard]] std::optional<Refusal> check_framing(std::string_view name, std::string_view value);
  // Of all fields together.
  [[nodiscard]] std::optional<Refusal> check_whole() const;

  std::size_t begin_ = 0;  // of the request line
  std::size_t line_ = 0;   // the begin of the line that is not there yet
  std::size_t seen_ = 0;   // no line ends between line_ and here
  bool old_ = false;       // HTTP/1.0
  std::size_t fields_ = 0;
  std::size_t hosts_ = 0;
  std::size_t lengths_ = 0;  // Content-Length
  std::size_t codings_ = 0;  // Transfer-Encoding
};

}  // namespace strandline::serve::http
