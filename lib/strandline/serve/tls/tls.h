// TlsContext: the certificate that a server shows, and whose it believes; TlsConnection: TLS 1.2 or later on one
// socket that does not block.
// Threads: a context: all; a connection: one at a time. Blocks: open(), on the files. Errors: open()'s name the file;
// unsupported, in a build without OpenSSL; what fails on a connection ends it. Cost: OpenSSL's, for a connection some
// 10 KiB once it idles, and a copy of each byte. Lifetime: a connection borrows its socket, and may outlive its
// context.
#pragma once

#include <strandline/base/error.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace strandline::serve {

class TlsConnection {
 public:
  enum class Did {
    some,
    wants_read,   // once the socket may be read,
    wants_write,  // or written, the same is to be done again
    ended         // in order or not: it is of no use any more
  };

  virtual ~TlsConnection() = default;
  // To be some before anything else.
  [[nodiscard]] virtual Did handshake() noexcept = 0;
  [[nodiscard]] virtual Did read(std::span<char> into, std::size_t& count) noexcept = 0;
  // Is there a byte to be read? It stays.
  [[nodiscard]] virtual Did peek() noexcept = 0;
  [[nodiscard]] virtual Did write(std::string_view bytes, std::size_t& count) noexcept = 0;
  // Says that nothing follows, if there is room for that.
  virtual void close() noexcept = 0;
  // The common name, if any, of the certificate that the client has shown, which is believed; none: it has shown none.
  [[nodiscard]] virtual std::optional<std::string> user() const = 0;
};

struct TlsFiles {
  std::string certificate;  // PEM, with those that it was signed by
  std::string key;          // PEM, without a passphrase
  std::string client_ca;    // PEM: clients show a certificate that one of these has signed; empty: they show none
};

class TlsContext {
 public:
  [[nodiscard]] static Result<std::shared_ptr<const TlsContext>> open(const TlsFiles& files);
  virtual ~TlsContext() = default;
  [[nodiscard]] virtual bool asks_for_certificates() const noexcept = 0;
  // Throws bad_alloc.
  [[nodiscard]] virtual std::unique_ptr<TlsConnection> connect(int socket) const = 0;
};

}  // namespace strandline::serve
