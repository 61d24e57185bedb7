// Certificate: one that has signed itself; TlsFront: a server on loopback that shows it and gives one answer to all.
// Threads: the front has one, for one connection after the other. Blocks: its destructor, until that has ended. Errors:
// what a test cannot go on without aborts it. Cost: a key. Lifetime: a certificate outlives its fronts.
#pragma once

#include <filesystem>
#include <string>
#include <thread>

using SSL_CTX = struct ssl_ctx_st;
using X509 = struct x509_st;
using EVP_PKEY = struct evp_pkey_st;

namespace strandline::testing {

class Certificate {
 public:
  // For whom: "IP:127.0.0.1", "DNS:example.test".
  explicit Certificate(const std::string& name);
  ~Certificate();
  Certificate(const Certificate&) = delete;
  Certificate& operator=(const Certificate&) = delete;

  // As PEM.
  void write(const std::filesystem::path& certificate) const;
  void write_key(const std::filesystem::path& key) const;

 private:
  friend class TlsFront;
  EVP_PKEY* key_;
  X509* certificate_;
};

class TlsFront {
 public:
  enum class How {
    honest,
    no_handshake  // ends the connection as soon as it has been spoken to
  };

  TlsFront(const Certificate& certificate, std::string answer, How how = How::honest);
  ~TlsFront();
  TlsFront(const TlsFront&) = delete;
  TlsFront& operator=(const TlsFront&) = delete;

  [[nodiscard]] std::string url() const { return "https://127.0.0.1:" + std::to_string(port_) + "/object"; }

 private:
  void serve(int fd);

  SSL_CTX* context_;
  const std::string answer_;
  const How how_;
  int listener_;
  int port_ = 0;
  std::thread thread_;
};

}  // namespace strandline::testing
