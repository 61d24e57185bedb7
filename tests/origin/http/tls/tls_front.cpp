#include <tests/origin/http/tls/tls_front.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>

namespace strandline::testing {
namespace {

void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "TlsFront: %s\n", what);
    std::abort();
  }
}

template <class Write>
void write_pem(const std::filesystem::path& path, Write&& write) {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  require(file != nullptr && write(file) == 1 && std::fclose(file) == 0, "a PEM file");
}

}  // namespace

Certificate::Certificate(const std::string& name) : key_(EVP_EC_gen("P-256")), certificate_(X509_new()) {
  require(key_ != nullptr && certificate_ != nullptr, "a key");
  constexpr long kDay = 24 * 60 * 60;
  ASN1_INTEGER_set(X509_get_serialNumber(certificate_), 1);
  X509_set_version(certificate_, 2);
  X509_gmtime_adj(X509_getm_notBefore(certificate_), -kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate_), kDay);
  X509_set_pubkey(certificate_, key_);
  X509_NAME* const subject = X509_get_subject_name(certificate_);
  const std::array<unsigned char, 5> common = {'t', 'e', 's', 't', 's'};
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, common.data(), common.size(), -1, 0);
  X509_set_issuer_name(certificate_, subject);
  X509_EXTENSION* const names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, name.c_str());
  X509_add_ext(certificate_, names, -1);
  X509_EXTENSION_free(names);
  require(X509_sign(certificate_, key_, EVP_sha256()) > 0, "a certificate");
}

Certificate::~Certificate() {
  X509_free(certificate_);
  EVP_PKEY_free(key_);
}

void Certificate::write(const std::filesystem::path& certificate) const {
  write_pem(certificate, [this](std::FILE* file) { return PEM_write_X509(file, certificate_); });
}

void Certificate::write_key(const std::filesystem::path& key) const {
  write_pem(
      key, [this](std::FILE* file) { return PEM_write_PrivateKey(file, key_, nullptr, nullptr, 0, nullptr, nullptr); });
}

TlsFront::TlsFront(const Certificate& certificate, std::string answer, How how)
    : context_(SSL_CTX_new(TLS_server_method())),
      answer_(std::move(answer)),
      how_(how),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  require(SSL_CTX_use_certificate(context_, certificate.certificate_) == 1 &&
              SSL_CTX_use_PrivateKey(context_, certificate.key_) == 1,
          "a context");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  auto* const in = reinterpret_cast<sockaddr*>(&address);
  require(::bind(listener_, in, size) == 0 && ::listen(listener_, 16) == 0 && ::getsockname(listener_, in, &size) == 0,
          "a socket");
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] {
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
    for (int fd = 0; (fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC)) >= 0;) {
      serve(fd);
      ::close(fd);
    }
  });
}

TlsFront::~TlsFront() {
  ::shutdown(listener_, SHUT_RDWR);
  thread_.join();
  ::close(listener_);
  SSL_CTX_free(context_);
}

void TlsFront::serve(int fd) {
  std::array<char, 4096> bytes{};
  if (how_ == How::no_handshake) {
    static_cast<void>(::recv(fd, bytes.data(), bytes.size(), 0));
    return;
  }
  SSL* const ssl = SSL_new(context_);
  SSL_set_fd(ssl, fd);
  if (SSL_accept(ssl) == 1) {
    std::string request;
    while (request.find("\r\n\r\n") == std::string::npos) {
      const int got = SSL_read(ssl, bytes.data(), bytes.size());
      if (got <= 0) {
        break;
      }
      request.append(bytes.data(), static_cast<std::size_t>(got));
    }
    if (!request.empty()) {
      SSL_write(ssl, answer_.data(), static_cast<int>(answer_.size()));
    }
    SSL_shutdown(ssl);
  }
  SSL_free(ssl);
}

}  // namespace strandline::testing
