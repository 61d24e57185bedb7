#include "remote.h"

#include <curl/curl.h>

#include <CLI/CLI.hpp>
#include <utility>

#include "../serve/text_file.h"

namespace strandline::tool {
namespace {

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

}  // namespace

void add_remote_options(CLI::App& app, RemoteOptions& options) {
  app.add_option("--server", options.server, "the strandline serve that is asked")
      ->type_name("URL")
      ->capture_default_str();
  app.add_option("--token-file", options.token_file, "a file with the token that it wants, alone")->type_name("FILE");
}

class RemoteServer::Calls {
 public:
  using Take = std::function<bool(std::string_view)>;

  Calls(std::string url, ::CURL* handle, const std::string& token) : url_(std::move(url)), handle_(handle) {
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

  // `take` gets what comes of a 200; other answers are errors. False of it ends the call.
  [[nodiscard]] Result<void> call(const std::string& path, const std::string* body, const Take& take) {
    const std::string url = url_ + "/-/api/" + path;
    refused_.clear();
    stopped_ = false;
    take_ = &take;
    ::curl_easy_reset(handle_);
    ::curl_easy_setopt(handle_, CURLOPT_URL, url.c_str());
    ::curl_easy_setopt(handle_, CURLOPT_PROTOCOLS_STR, "http,https");
    ::curl_easy_setopt(handle_, CURLOPT_NOPROXY, "*");
    ::curl_easy_setopt(handle_, CURLOPT_NOSIGNAL, 1L);
    ::curl_easy_setopt(handle_, CURLOPT_CONNECTTIMEOUT, kPatience);
    ::curl_easy_setopt(handle_, CURLOPT_LOW_SPEED_LIMIT, 1L);
    ::curl_easy_setopt(handle_, CURLOPT_LOW_SPEED_TIME, kPatience);
    ::curl_easy_setopt(handle_, CURLOPT_HTTPHEADER, lines_);
    ::curl_easy_setopt(handle_, CURLOPT_WRITEDATA, this);
    ::curl_easy_setopt(handle_, CURLOPT_WRITEFUNCTION, &Calls::written);
    if (body != nullptr) {
      ::curl_easy_setopt(handle_, CURLOPT_POSTFIELDSIZE, static_cast<long>(body->size()));
      ::curl_easy_setopt(handle_, CURLOPT_POSTFIELDS, body->c_str());
    }
    const auto ended = ::curl_easy_perform(handle_);
    if (ended != CURLE_OK && !stopped_) {
      return fail(ended == CURLE_OPERATION_TIMEDOUT ? Errc::timed_out : Errc::io,
                  url_ + ": " + ::curl_easy_strerror(ended));
    }
    if (const long status = this->status(); status >= 300) {
      const Json answer = Json::parse(refused_, nullptr, false);
      const bool says = answer.is_object() && answer.contains("error") && answer["error"].is_string();
      std::string why = says ? answer["error"].get<std::string>() : refused_.substr(0, refused_.find('\n'));
      return fail(code_of(status), url_ + ": " + why + " (" + std::to_string(status) + ")");
    }
    return {};
  }

 private:
  static std::size_t written(char* bytes, std::size_t, std::size_t count, void* calls) {
    auto& self = *static_cast<Calls*>(calls);
    constexpr std::size_t kMostOfARefusal = 4096;
    if (self.status() >= 300) {
      self.refused_.append(bytes, std::min(count, kMostOfARefusal - std::min(self.refused_.size(), kMostOfARefusal)));
      return count;
    }
    self.stopped_ = !(*self.take_)(std::string_view(bytes, count));
    return self.stopped_ ? 0 : count;
  }
  [[nodiscard]] long status() const {
    long status = 0;
    ::curl_easy_getinfo(handle_, CURLINFO_RESPONSE_CODE, &status);
    return status;
  }
  void add_line(const std::string& line) {
    ::curl_slist* const longer = ::curl_slist_append(lines_, line.c_str());
    if (longer == nullptr) {
      throw std::bad_alloc();
    }
    lines_ = longer;
  }

  const std::string url_;
  ::CURL* const handle_;
  ::curl_slist* lines_ = nullptr;
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
  ::CURL* const handle = ::curl_easy_init();
  if (handle == nullptr) {
    return fail(Errc::no_memory, "curl");
  }
  return RemoteServer(std::make_unique<Calls>(std::move(url), handle, *token));
}

RemoteServer::RemoteServer(std::unique_ptr<Calls> calls) noexcept : calls_(std::move(calls)) {}
RemoteServer::RemoteServer(RemoteServer&&) noexcept = default;
RemoteServer::~RemoteServer() = default;

const std::string& RemoteServer::url() const noexcept {
  return calls_->url();
}

namespace {

Result<Json> json_of(const std::string& text, const std::string& url) {
  Json answer = Json::parse(text, nullptr, false);
  if (answer.is_discarded()) {
    return fail(Errc::io, url + ": it does not answer as a strandline serve does");
  }
  return answer;
}

}  // namespace

Result<Json> RemoteServer::get(const std::string& path) {
  std::string text;
  auto called = calls_->call(path, nullptr, [&](std::string_view more) {
    text += more;
    return true;
  });
  return called ? json_of(text, url()) : fail(std::move(called.error()));
}

Result<Json> RemoteServer::post(const std::string& path, const Json& body) {
  const std::string sent = body.dump(-1, ' ', false, Json::error_handler_t::replace);
  std::string text;
  auto called = calls_->call(path, &sent, [&](std::string_view more) {
    text += more;
    return true;
  });
  return called ? json_of(text, url()) : fail(std::move(called.error()));
}

Result<void> RemoteServer::states(std::size_t cells, const std::function<bool(const Json&)>& take) {
  std::string text;
  bool wrong = false;
  auto called = calls_->call("events?cells=" + std::to_string(cells), nullptr, [&](std::string_view more) {
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
  return wrong ? fail(Errc::io, url() + ": it does not answer as a strandline serve does") : std::move(called);
}

}  // namespace strandline::tool
