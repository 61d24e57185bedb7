#include <strandline/serve/tls/tls.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <array>
#include <new>
#include <utility>

namespace strandline::serve {
namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* of) const noexcept {
    Free(of);
  }
};
using Context = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;
using Ssl = std::unique_ptr<SSL, Freed<SSL_free>>;

// OpenSSL's reason; there is nothing of a key in it.
tl::unexpected<Error> failed(const std::string& what) {
  const unsigned long code = ERR_get_error();
  const char* const reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
  ERR_clear_error();
  return fail(Errc::invalid_argument, what + (reason != nullptr ? ": " + std::string(reason) : ""));
}

class OpensslConnection final : public TlsConnection {
 public:
  explicit OpensslConnection(Ssl ssl) : ssl_(std::move(ssl)) {}

  Did handshake() noexcept override { return did(SSL_accept(begun())); }
  Did read(std::span<char> into, std::size_t& count) noexcept override {
    return did(SSL_read_ex(begun(), into.data(), into.size(), &count));
  }
  Did peek() noexcept override {
    char next = 0;
    std::size_t count = 0;
    return did(SSL_peek_ex(begun(), &next, 1, &count));
  }
  Did write(std::string_view bytes, std::size_t& count) noexcept override {
    return did(SSL_write_ex(begun(), bytes.data(), bytes.size(), &count));
  }
  void close() noexcept override {
    if (!broken_ && SSL_is_init_finished(ssl_.get()) == 1) {
      static_cast<void>(did(SSL_shutdown(begun())));
    }
  }
  std::optional<std::string> user() const override {
    X509* const certificate = SSL_get0_peer_certificate(ssl_.get());  // none that is not believed gets this far
    if (certificate == nullptr) {
      return std::nullopt;
    }
    std::array<char, 65> name{};  // RFC 5280, appendix A.1: ub-common-name
    const int size = X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(),
                                               static_cast<int>(name.size()));
    return size > 0 ? std::string(name.data(), static_cast<std::size_t>(size)) : "";
  }

 private:
  // What earlier calls on this thread left there would be taken for this one's.
  SSL* begun() noexcept {
    ERR_clear_error();
    return ssl_.get();
  }
  Did did(int result) noexcept {
    if (result > 0) {
      return Did::some;
    }
    switch (SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        return Did::wants_read;
      case SSL_ERROR_WANT_WRITE:
        return Did::wants_write;
      case SSL_ERROR_ZERO_RETURN:
        return Did::ended;
      default:
        broken_ = true;  // no SSL_shutdown() behind it
        return Did::ended;
    }
  }

  const Ssl ssl_;
  bool broken_ = false;
};

class OpensslContext final : public TlsContext {
 public:
  OpensslContext(Context context, bool asks) : context_(std::move(context)), asks_(asks) {}
  bool asks_for_certificates() const noexcept override { return asks_; }
  std::unique_ptr<TlsConnection> connect(int socket) const override {
    Ssl ssl(SSL_new(context_.get()));
    if (ssl == nullptr || SSL_set_fd(ssl.get(), socket) != 1) {
      throw std::bad_alloc();
    }
    return std::make_unique<OpensslConnection>(std::move(ssl));
  }

 private:
  const Context context_;
  const bool asks_;
};

int no_passphrase(char*, int, int, void*) {
  return -1;
}

// HTTP/1.1 is what there is; who wants only others is refused (RFC 7301, section 3.2).
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                    unsigned int offered_size, void*) {
  static constexpr std::array<unsigned char, 9> kHttp = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* out = nullptr;
  const int found = SSL_select_next_proto(&out, size, kHttp.data(), kHttp.size(), offered, offered_size);
  *chosen = out;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::open(const TlsFiles& files) {
  ERR_clear_error();
  Context context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1) {
    return failed("TLS");
  }
  SSL_CTX* const made = context.get();
  SSL_CTX_set_options(made, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // Idle connections hold no buffers; what is sent again may be at another place by then.
  SSL_CTX_set_mode(made,
                   SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_default_passwd_cb(made, no_passphrase);  // nobody is asked for one
  SSL_CTX_set_alpn_select_cb(made, choose_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(made, files.certificate.c_str()) != 1) {
    return failed("no certificate can be read from " + files.certificate);
  }
  if (SSL_CTX_use_PrivateKey_file(made, files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return failed("no key of that certificate can be read from " + files.key);
  }
  if (!files.client_ca.empty()) {
    STACK_OF(X509_NAME)* const names = SSL_load_client_CA_file(files.client_ca.c_str());
    if (names == nullptr || SSL_CTX_load_verify_file(made, files.client_ca.c_str()) != 1) {
      sk_X509_NAME_pop_free(names, X509_NAME_free);
      return failed("no certificates can be read from " + files.client_ca);
    }
    SSL_CTX_set_client_CA_list(made, names);
    SSL_CTX_set_verify(made, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    // Else a session that is taken up again is refused (SSL_CTX_set_session_id_context(3)).
    constexpr std::array<unsigned char, 10> kName = {'s', 't', 'r', 'a', 'n', 'd', 'l', 'i', 'n', 'e'};
    SSL_CTX_set_session_id_context(made, kName.data(), kName.size());
  }
  return std::make_shared<const OpensslContext>(std::move(context), !files.client_ca.empty());
}

}  // namespace strandline::serve
