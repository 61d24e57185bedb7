#include "remote.h"

#include <curl/curl.h>

#include <CLI/CLI.hpp>
#include <array>
#include <utility>

#include "../serve/text_file.h"

namespace strandline::tool {
namespace {

constexpr const char* kNotStrandline = ": what answers there is not strandline serve";
constexpr long kPatience = 30;  // seconds; a server that has nothing to tell says so every ten

Errc code_of(long status) {
  switch (status) {
    case 400:
      return Errc::invalid_argument;
    case 401:
    case 403:
    case 421:
      return Errc::permission_denied;
    case 404:
      return Errc::not_found;
    case 503:
      return Errc::busy;
    default:
      return Errc::io;
  }
}

// Without what ends the line.
Result<std::string> token_in(const std::string& path) {
  auto text = read_text(path, "--token-file", Readers::owner_and_group);
  if (!text) {
    return text;
  }
  text->erase(text->find_last_not_of("\r\n \t") + 1);
  if (text->empty() || text->find_first_of("\r\n \t") != std::string::npos) {
    return fail(Errc::invalid_argument, "--token-file " + path + ": a token alone is wanted");
  }
  return text;
}

// Of those that are given: can they be read, and are they of any use?
Result<void> check_tls_files(const RemoteOptions& options) {
  const struct {
    const char* name;
    const std::string& file;
    Readers readers;
  } files[] = {{"--ca-file", options.ca_file, Readers::anybody},
               {"--client-cert", options.client_cert, Readers::anybody},
               {"--client-key", options.client_key, Readers::owner_and_group}};
  for (const auto& [name, file, readers] : files) {
    if (file.empty()) {
      continue;
    }
    if (!options.server.starts_with("https://")) {
      return fail(Errc::invalid_argument,
                  std::string(name) + " " + file + ": --server " + options.server + " is no https:// URL");
    }
    if (auto text = read_text(file, name, readers); !text) {
      return fail(std::move(text.error()));
    }
  }
  if (options.client_cert.empty() != options.client_key.empty()) {
    return fail(Errc::invalid_argument, "--client-cert and --client-key are wanted both, and only one is given: " +
                                            options.client_cert + options.client_key);
  }
  return {};
}

}  // namespace

void add_remote_options(CLI::App& app, RemoteOptions& options) {
  app.add_option("--server", options.server, "the strandline serve that is asked")
      ->type_name("URL")
      ->capture_default_str();
  app.add_option("--token-file", options.token_file, "a file with the token that it wants, alone")->type_name("FILE");
  app.add_option("--ca-file", options.ca_file, "whose certificates are believed (PEM), instead of the system's")
      ->type_name("FILE");
  app.add_option("--client-cert", options.client_cert, "the certificate that the server wants to see (PEM)")
      ->type_name("FILE");
  app.add_option("--client-key", options.client_key, "its key (PEM)")->type_name("FILE");
}

class RemoteServer::Calls {
 public:
  using Take = std::function<bool(std::string_view)>;

  Calls(std::string url, ::CURL* handle, const std::string& token, const RemoteOptions& options)
      : url_(std::move(url)),
        ca_file_(options.ca_file),
        client_cert_(options.client_cert),
        client_key_(options.client_key),
        handle_(handle) {
    add_line("Content-Type: application/json");
    if (!token.empty()) {
      add_line("Authorization: Bearer " + token);
    }
  }
  Calls(const Calls&) = delete;
  Calls& operator=(const Calls&) = delete;
  ~Calls() {
    ::curl_slist_free_all(lines_);
    ::curl_easy_cleanup(handle_);
  }

  [[nodiscard]] const std::string& url() const noexcept { return url_; }

  // `take` gets what comes of a 200 of that type; other answers are errors. False of it ends the call.
  [[nodiscard]] Result<void> call(const std::string& path, const std::string* body, std::string_view type,
                                  const Take& take) {
    const std::string url = url_ + "/-/api/" + path;
    refused_.clear();
    stopped_ = false;
    type_ = type;
    take_ = &take;
    ::curl_easy_reset(handle_);
    ::curl_easy_setopt(handle_, CURLOPT_URL, url.c_str());
    ::curl_easy_setopt(handle_, CURLOPT_PROTOCOLS_STR, "http,https");
    ::curl_easy_setopt(handle_, CURLOPT_NOPROXY, "*");
    ::curl_easy_setopt(handle_, CURLOPT_NOSIGNAL, 1L);
    ::curl_easy_setopt(handle_, CURLOPT_CONNECTTIMEOUT, kPatience);
    ::curl_easy_setopt(handle_, CURLOPT_LOW_SPEED_LIMIT, 1L);
    ::curl_easy_setopt(handle_, CURLOPT_LOW_SPEED_TIME, kPatience);
    set_tls_options();
    detail_[0] = '\0';
    ::curl_easy_setopt(handle_, CURLOPT_ERRORBUFFER, detail_.data());
    ::curl_easy_setopt(handle_, CURLOPT_HTTPHEADER, lines_);
    ::curl_easy_setopt(handle_, CURLOPT_WRITEDATA, this);
    ::curl_easy_setopt(handle_, CURLOPT_WRITEFUNCTION, &Calls::written);
    if (body != nullptr) {
      ::curl_easy_setopt(handle_, CURLOPT_POSTFIELDSIZE, static_cast<long>(body->size()));
      ::curl_easy_setopt(handle_, CURLOPT_POSTFIELDS, body->c_str());
    }
    const auto ended = ::curl_easy_perform(handle_);
    if (ended != CURLE_OK && !stopped_) {
      return fail(error_of(ended));
    }
    if (const long status = this->status(); status >= 300) {
      const Json answer = Json::parse(refused_, nullptr, false);
      const bool says = answer.is_object() && answer.contains("error") && answer["error"].is_string();
      if (!says) {
        return fail(Errc::io, url_ + kNotStrandline + " (" + std::to_string(status) + ")");
      }
      return fail(code_of(status),
                  url_ + ": " + answer["error"].get<std::string>() + " (" + std::to_string(status) + ")");
    }
    return is_of(type) ? Result<void>() : fail(Errc::io, url_ + kNotStrandline);
  }

 private:
  void set_tls_options() {
    if (!ca_file_.empty()) {
      ::curl_easy_setopt(handle_, CURLOPT_CAINFO, ca_file_.c_str());
      ::curl_easy_setopt(handle_, CURLOPT_CAPATH, nullptr);  // else the system's are believed besides
    }
    if (!client_cert_.empty()) {
      ::curl_easy_setopt(handle_, CURLOPT_SSLCERT, client_cert_.c_str());
      ::curl_easy_setopt(handle_, CURLOPT_SSLKEY, client_key_.c_str());
      ::curl_easy_setopt(handle_, CURLOPT_KEYPASSWD, "");  // nobody is asked for one
    }
  }
  [[nodiscard]] Error error_of(::CURLcode ended) const {
    const bool broke = ended == CURLE_SEND_ERROR || ended == CURLE_RECV_ERROR;  // more is said of the socket only
    const std::string why = detail_[0] != '\0' && !broke ? detail_.data() : ::curl_easy_strerror(ended);
    switch (ended) {
      case CURLE_OPERATION_TIMEDOUT:
        return Error::make(Errc::timed_out, url_ + ": " + why);
      case CURLE_SSL_CACERT_BADFILE:
        return Error::make(Errc::invalid_argument, "--ca-file " + ca_file_ + ": " + why);
      case CURLE_SSL_CERTPROBLEM:
        return Error::make(Errc::invalid_argument,
                           "--client-cert " + client_cert_ + ", --client-key " + client_key_ + ": " + why);
      case CURLE_PEER_FAILED_VERIFICATION:
        return Error::make(Errc::permission_denied,
                           url_ + ": " + why + " (believed is " +
                               (ca_file_.empty() ? "what the system believes: see --ca-file" : ca_file_) + ")");
      case CURLE_SSL_CONNECT_ERROR:
      case CURLE_SEND_ERROR:
      case CURLE_RECV_ERROR:
      case CURLE_GOT_NOTHING:
        // With TLS 1.3 it refuses a certificate, or none, once the handshake is over for us.
        if (url_.starts_with("https://")) {
          return Error::make(Errc::io, url_ + ": " + why + " (does it want " +
                                           (client_cert_.empty() ? "" : "another certificate than that in ") +
                                           "--client-cert" + (client_cert_.empty() ? "" : " " + client_cert_) + "?)");
        }
        [[fallthrough]];
      default:
        return Error::make(Errc::io, url_ + ": " + why);
    }
  }
  static std::size_t written(char* bytes, std::size_t, std::size_t count, void* calls) {
    auto& self = *static_cast<Calls*>(calls);
    constexpr std::size_t kMostOfARefusal = 4096;
    if (self.status() >= 300) {
      self.refused_.append(bytes, std::min(count, kMostOfARefusal - std::min(self.refused_.size(), kMostOfARefusal)));
      return count;
    }
    self.stopped_ = !self.is_of(self.type_) || !(*self.take_)(std::string_view(bytes, count));
    return self.stopped_ ? 0 : count;
  }
  [[nodiscard]] long status() const {
    long status = 0;
    ::curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
    return status;
  }
  // Of what the answer says that it is.
  [[nodiscard]] bool is_of(std::string_view type) const {
    const char* said = nullptr;
    ::curl_easy_getinfo(handle_, CURLINFO_CONTENT_TYPE, &said);
    return said != nullptr && std::string_view(said).starts_with(type);
  }
  void add_line(const std::string& line) {
    ::curl_slist* const longer = ::curl_slist_append(lines_, line.c_str());
    if (longer == nullptr) {
      throw std::bad_alloc();
    }
    lines_ = longer;
  }

  const std::string url_;
  const std::string ca_file_;
  const std::string client_cert_;
  const std::string client_key_;
  std::array<char, CURL_ERROR_SIZE> detail_{};  // libcurl's words
  ::CURL* const handle_;
  ::curl_slist* lines_ = nullptr;
  std::string_view type_;
  const Take* take_ = nullptr;
  bool stopped_ = false;
  std::string refused_;
};

Result<RemoteServer> RemoteServer::of(const RemoteOptions& options) {
  std::string url = options.server;
  while (url.ends_with('/')) {
    url.pop_back();
  }
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    return fail(Errc::invalid_argument, "--server " + options.server + ": an http:// or https:// URL is wanted");
  }
  auto token = options.token_file.empty() ? Result<std::string>(std::string()) : token_in(options.token_file);
  if (!token) {
    return fail(std::move(token.error()));
  }
  if (auto checked = check_tls_files(options); !checked) {
    return fail(std::move(checked.error()));
  }
  ::CURL* const handle = ::curl_easy_init();
  if (handle == nullptr) {
    return fail(Errc::no_memory, "curl");
  }
  return RemoteServer(std::make_unique<Calls>(std::move(url), handle, *token, options));
}

RemoteServer::RemoteServer(std::unique_ptr<Calls> calls) noexcept : calls_(std::move(calls)) {}
RemoteServer::RemoteServer(RemoteServer&&) noexcept = default;
RemoteServer::~RemoteServer() = default;

const std::string& RemoteServer::url() const noexcept {
  return calls_->url();
}

namespace {

constexpr std::string_view kJson = "application/json";

Result<Json> json_of(const std::string& text, const std::string& url) {
  Json answer = Json::parse(text, nullptr, false);
  if (answer.is_discarded()) {
    return fail(Errc::io, url + kNotStrandline);
  }
  return answer;
}

}  // namespace

Result<Json> RemoteServer::get(const std::string& path) {
  std::string text;
  auto called = calls_->call(path, nullptr, kJson, [&](std::string_view more) {
    text += more;
    return true;
  });
  return called ? json_of(text, url()) : fail(std::move(called.error()));
}

Result<Json> RemoteServer::post(const std::string& path, const Json& body) {
  const std::string sent = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string text;
  auto called = calls_->call(path, &sent, kJson, [&](std::string_view more) {
    text += more;
    return true;
  });
  return called ? json_of(text, url()) : fail(std::move(called.error()));
}

Result<void> RemoteServer::states(std::size_t cells, const std::function<bool(const Json&)>& take) {
  std::string text;
  bool wrong = false;
  auto called =
      calls_->call("events?cells=" + std::to_string(cells), nullptr, "text/event-stream", [&](std::string_view more) {
        text += more;
        for (auto end = text.find("\n\n"); end != std::string::npos; end = text.find("\n\n")) {
          const std::string event = text.substr(0, end);
          text.erase(0, end + 2);
          const auto data = event.find("data: ");
          if (data == std::string::npos) {
            continue;  // a comment
          }
          const Json state = Json::parse(event.substr(data + 6), nullptr, false);
          wrong = !state.is_object();
          if (wrong || !take(state)) {
            return false;
          }
        }
        return true;
      });
  return wrong ? fail(Errc::io, url() + kNotStrandline) : std::move(called);
}

}  // namespace strandline::tool
