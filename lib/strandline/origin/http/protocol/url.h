// Url: an http or https URL, taken apart and put together again, so that nothing in it is left to chance.
// Threads: a value. Blocks: never. Errors: unsupported, another scheme; invalid_argument, all else that is wrong.
// Cost: libcurl's parser. Lifetime: owns its text.
// Invariant: text() has neither user information nor a fragment; messages use shown().
#pragma once

#include <strandline/base/error.h>

#include <string>
#include <string_view>

namespace strandline::origin::http {

class Url {
 public:
  [[nodiscard]] static Result<Url> parse(const std::string& text);
  // Of a key below this one, byte by byte: what has a meaning in URLs is escaped. "." and ".." are refused.
  [[nodiscard]] Result<Url> below(std::string_view key) const;
  // Where a redirect leads to. User information in it is dropped: a server does not tell us who we are.
  [[nodiscard]] Result<Url> follow(const std::string& location) const;

  [[nodiscard]] const std::string& text() const noexcept { return text_; }
  [[nodiscard]] const std::string& host() const noexcept { return host_; }  // lower case; IPv6 without brackets
  [[nodiscard]] int port() const noexcept { return port_; }
  [[nodiscard]] bool secure() const noexcept { return secure_; }
  [[nodiscard]] const std::string& user() const noexcept { return user_; }
  [[nodiscard]] const std::string& password() const noexcept { return password_; }
  // Scheme, host and port: who may be told what is told the other.
  [[nodiscard]] bool same_server(const Url& other) const noexcept;
  // A private address, or a name that always means this machine. A name's address is not looked up.
  [[nodiscard]] bool names_private_host() const noexcept;
  // For messages: the values of query parameters that look like secrets are left out.
  [[nodiscard]] std::string shown() const;

 private:
  friend class UrlParts;
  std::string text_;
  std::string host_;
  std::string user_;
  std::string password_;
  int port_ = 0;
  bool secure_ = false;
};

}  // namespace strandline::origin::http
