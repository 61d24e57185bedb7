// Access: who is answered at all: whose names a request may be sent to, and with which token.
// Threads: a value, read by all. Blocks: never. Errors: a Refusal: 401, 403, 421. Throws bad_alloc. Cost: a comparison
// with every token, which takes as long whatever is in them. Lifetime: owns its text.
#pragma once

#include <strandline/base/error.h>
#include <strandline/serve/access/cors.h>
#include <strandline/serve/http/request/refusal.h>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace strandline::serve {

// Who has the secret may ask for what lies below the prefixes.
struct Token {
  std::string name;                   // for the log
  std::string secret;                 // for nothing but comparison
  std::vector<std::string> prefixes;  // of paths; none: everything
};

// A line for each: NAME SECRET [PREFIX...], with blanks between; '#' begins a line that says nothing. A secret has 16
// characters or more, of those that a Bearer token has (RFC 6750, section 2.1). `where` is for messages, in which no
// secret is.
[[nodiscard]] Result<std::vector<Token>> parse_tokens(std::string_view text, const std::string& where);

struct Access {
  // Set: a token is demanded, and one of these.
  std::optional<std::vector<Token>> tokens{};
  // Set: the client has to have shown a certificate.
  bool certificates = false;
  // Names by which the server is called, in lower case; besides those of this machine's loopback.
  std::vector<std::string> hosts{};
  Cors cors{};

  struct Request {
    std::optional<std::string_view> host;
    std::optional<std::string_view> authorization;
    std::string_view path;                   // of a RequestTarget
    std::optional<std::string> certificate;  // the name in the one that was shown on this connection
  };
  [[nodiscard]] std::optional<http::Refusal> refusal(const Request& request) const;
  // The name of the request's token, or else its certificate; empty: it has neither that is known.
  [[nodiscard]] std::string user(const Request& request) const;
  // Are clients told apart? Without that only this machine is served.
  [[nodiscard]] bool tells_clients_apart() const noexcept { return tokens || certificates; }

 private:
  [[nodiscard]] const Token* token_of(std::optional<std::string_view> authorization) const;
  [[nodiscard]] bool is_ours(std::string_view host) const;
};

}  // namespace strandline::serve
