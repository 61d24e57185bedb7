#include <strandline/origin/http/protocol/address.h>
#include <strandline/origin/http/protocol/syntax.h>
#include <strandline/serve/access/access.h>
#include <strandline/serve/http/request/authority.h>
#include <strandline/serve/http/request/request_target.h>
#include <strandline/serve/rules/rules.h>

#include <algorithm>

namespace strandline::serve {
namespace {

using origin::http::is_digit;
using origin::http::is_letter;
using origin::http::trimmed;

constexpr std::size_t kShortest = 16;  // characters

// RFC 6750, section 2.1: b64token.
bool is_bearer_token(std::string_view text) {
  const auto end = text.find_last_not_of('=');
  return end != std::string_view::npos && std::all_of(text.begin(), text.begin() + end + 1, [](char c) {
           return is_letter(c) || is_digit(c) || std::string_view("-._~+/").find(c) != std::string_view::npos;
         });
}

// In a time that tells the lengths, and nothing else.
bool is_same_secret(std::string_view one, std::string_view other) noexcept {
  volatile unsigned char difference = one.size() == other.size() ? 0 : 1;  // nothing is left out for what it holds
  for (std::size_t i = 0; i < std::min(one.size(), other.size()); ++i) {
    difference = static_cast<unsigned char>(difference | (one[i] ^ other[i]));
  }
  return difference == 0;
}

bool is_loopback(const std::string& host) {
  if (host.empty() || host == "localhost" || host == "[::1]") {
    return true;
  }
  return host.starts_with("127.") && origin::http::is_private(host.c_str()).has_value();  // an address, and no name
}

std::string_view next_word(std::string_view& line) {
  line = trimmed(line);
  const auto word = line.substr(0, line.find_first_of(" \t"));
  line.remove_prefix(word.size());
  return word;
}

Result<Token> parse_token(std::string_view line) {
  Token token;
  token.name = next_word(line);
  token.secret = next_word(line);
  if (token.secret.empty()) {
    return fail(Errc::invalid_argument, "NAME TOKEN [PREFIX...] is wanted");
  }
  if (!origin::http::is_token(token.name)) {
    return fail(Errc::invalid_argument, "a name has letters, digits, and no blanks");
  }
  if (token.secret.size() < kShortest || !is_bearer_token(token.secret)) {
    return fail(Errc::invalid_argument,
                "a token has 16 characters or more, of A-Z a-z 0-9 - . _ ~ + / and = at its end");
  }
  for (auto word = next_word(line); !word.empty(); word = next_word(line)) {
    const auto target = http::parse_request_target(word, std::nullopt);
    if (!target || target->query || !word.starts_with('/')) {
      return fail(Errc::invalid_argument, "a prefix is a path, such as /videos/");
    }
    token.prefixes.push_back(target->path);
  }
  return token;
}

// RFC 4648, section 4. Empty: it is none.
std::string from_base64(std::string_view text) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  text = text.substr(0, std::min(text.find_last_not_of('=') + 1, text.size()));
  std::string bytes;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const char letter : text) {
    const auto value = kLetters.find(letter);
    if (value == std::string_view::npos) {
      return {};
    }
    bits = bits << 6 | static_cast<std::uint32_t>(value);
    count += 6;
    if (count >= 8) {
      count -= 8;
      bytes.push_back(static_cast<char>(bits >> count & 0xff));
    }
  }
  return bytes;
}

// What is offered as a token: a Bearer's, or, for browsers, which know no other way to be asked, the password of Basic,
// whoever it is of (RFC 6750, section 2.1; RFC 7617, section 2). In any case (RFC 9110, section 11.1). Empty: nothing.
std::string offered(std::string_view authorization) {
  const auto scheme = next_word(authorization);
  const std::string_view rest = trimmed(authorization);
  if (!origin::http::same_word(scheme, "basic")) {
    return std::string(origin::http::same_word(scheme, "bearer") ? rest : "");
  }
  const std::string both = from_base64(rest);
  const auto colon = both.find(':');
  return colon == std::string::npos ? "" : both.substr(colon + 1);
}

}  // namespace

Result<std::vector<Token>> parse_tokens(std::string_view text, const std::string& where) {
  std::vector<Token> tokens;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto line = trimmed(text.substr(0, text.find('\n')), " \t\r");
    text.remove_prefix(
        std::min(text.size(), text.find('\n') == std::string_view::npos ? text.size() : text.find('\n') + 1));
    if (line.empty() || line.starts_with('#')) {
      continue;
    }
    auto token = parse_token(line);
    const bool is_known = token && std::any_of(tokens.begin(), tokens.end(), [&](const Token& other) {
                            return other.name == token->name || other.secret == token->secret;
                          });
    if (!token || is_known) {
      return fail(Errc::invalid_argument,
                  where + ":" + std::to_string(number) + ": " +
                      (is_known ? "this name, or this token, is there twice" : token.error().context));
    }
    tokens.push_back(std::move(*token));
  }
  if (tokens.empty()) {
    return fail(Errc::invalid_argument, where + ": there is no token in it");
  }
  return tokens;
}

std::optional<http::Refusal> Access::refusal(const Request& request) const {
  // Else a web page could read it all, under a name that it makes lead here (DNS rebinding).
  if (!is_ours(request.host.value_or(""))) {
    return http::Refusal{421, tells_clients_apart() ? "this is not one of the names of this server"
                                                    : "only this machine's own names are served"};
  }
  if (certificates && !request.certificate) {
    return http::Refusal{403, "a certificate is wanted"};  // since this connection was made
  }
  if (!tokens) {
    return std::nullopt;
  }
  const Token* const token = token_of(request.authorization);
  if (token == nullptr) {
    return http::Refusal{401, "a token is wanted"};
  }
  const auto& prefixes = token->prefixes;
  const bool may = prefixes.empty() || std::any_of(prefixes.begin(), prefixes.end(), [&](const std::string& prefix) {
                     return is_at_or_below(request.path, prefix);
                   });
  return may ? std::nullopt : std::optional(http::Refusal{403, "this token is not for that path"});
}

std::string Access::user(const Request& request) const {
  const Token* const token = tokens ? token_of(request.authorization) : nullptr;
  return token != nullptr ? token->name : request.certificate.value_or("");
}

const Token* Access::token_of(std::optional<std::string_view> authorization) const {
  const std::string secret = offered(authorization.value_or(""));
  const Token* found = nullptr;
  for (const Token& token : *tokens) {
    found = is_same_secret(secret, token.secret) ? &token : found;  // all of them, whichever it is
  }
  return found;
}

bool Access::is_ours(std::string_view host) const {
  const auto authority = http::parse_authority(host);
  if (!authority) {
    return false;
  }
  const std::string& name = authority->host;
  if (is_loopback(name)) {
    return true;
  }
  // An address, which no name server can have lead here, is as good as a name once clients are told apart.
  const bool is_address = name.starts_with('[') || origin::http::is_private(name.c_str()).has_value();
  return tells_clients_apart() && (is_address || std::find(hosts.begin(), hosts.end(), name) != hosts.end());
}

}  // namespace strandline::serve
