#include "url.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <new>

#include "address.h"
#include "syntax.h"

namespace strandline::origin::http {
namespace {

constexpr std::size_t kMaxUrl = 64 * 1024;  // bytes
constexpr const char* kNoHost = "a URL without a host";

// What libcurl allocates.
struct Free {
  void operator()(char* text) const noexcept { curl_free(text); }
  void operator()(CURLU* url) const noexcept { curl_url_cleanup(url); }
};

constexpr std::string_view kUnescaped =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!$&'()*+,;=:@/";

std::string escaped(std::string_view key) {
  std::string text;
  for (const char c : key) {
    if (kUnescaped.find(c) != std::string_view::npos) {
      text += c;
    } else {
      append_percent(text, c);
    }
  }
  return text;
}

bool has_dot_segment(std::string_view key) {
  for (std::size_t begin = 0; begin <= key.size();) {
    const std::size_t end = std::min(key.find('/', begin), key.size());
    const std::string_view segment = key.substr(begin, end - begin);
    if (segment == "." || segment == "..") {
      return true;
    }
    begin = end + 1;
  }
  return false;
}

// Names of query parameters that carry what lets whoever has them in.
bool is_secret(std::string_view name) {
  constexpr std::array<std::string_view, 7> kWords = {"sig", "token", "secret", "passw", "key", "auth", "credential"};
  const std::string lower = lower_case(name);
  return std::any_of(kWords.begin(), kWords.end(),
                     [&lower](std::string_view word) { return lower.find(word) != std::string::npos; });
}

}  // namespace

// A URL while it is put together.
class UrlParts {
 public:
  UrlParts() : url_(curl_url()) {
    if (!url_) {
      throw std::bad_alloc();
    }
  }

  CURLUcode set(CURLUPart part, const char* text, unsigned int flags = 0) {
    const CURLUcode code = curl_url_set(url_.get(), part, text, flags);
    if (code == CURLUE_OUT_OF_MEMORY) {
      throw std::bad_alloc();
    }
    return code;
  }

  // Empty when there is no such part.
  std::string get(CURLUPart part, unsigned int flags = 0) {
    char* text = nullptr;
    const CURLUcode code = curl_url_get(url_.get(), part, &text, flags);
    const std::unique_ptr<char, Free> owner(text);
    if (code == CURLUE_OUT_OF_MEMORY) {
      throw std::bad_alloc();
    }
    if (code == CURLUE_URLDECODE) {
      undecodable_ = true;
    }
    return code == CURLUE_OK ? std::string(text) : std::string();
  }

  Result<Url> finish() {
    const std::string scheme = lower_case(get(CURLUPART_SCHEME));
    if (scheme != "http" && scheme != "https") {
      return fail(Errc::unsupported, "scheme '" + scheme + "' is neither http nor https");
    }
    Url url;
    url.secure_ = scheme == "https";
    url.host_ = lower_case(get(CURLUPART_HOST));
    if (url.host_.starts_with('[')) {
      url.host_ = url.host_.substr(1, url.host_.size() - 2);
    }
    const std::string port = get(CURLUPART_PORT, CURLU_DEFAULT_PORT);
    std::from_chars(port.data(), port.data() + port.size(), url.port_);
    url.user_ = get(CURLUPART_USER, CURLU_URLDECODE);
    url.password_ = get(CURLUPART_PASSWORD, CURLU_URLDECODE);
    if (url.host_.empty() || url.port_ <= 0 || undecodable_) {
      return fail(Errc::invalid_argument, url.host_.empty() ? kNoHost
                                          : url.port_ <= 0  ? "a URL with port 0"
                                                            : "a URL with control characters in it");
    }
    for (const CURLUPart part : {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_OPTIONS, CURLUPART_FRAGMENT}) {
      set(part, nullptr);
    }
    url.text_ = get(CURLUPART_URL);
    if (url.text_.empty() || url.text_.size() > kMaxUrl) {
      return fail(Errc::invalid_argument, "a URL of more than 64 KiB");
    }
    return url;
  }

 private:
  std::unique_ptr<CURLU, Free> url_;
  bool undecodable_ = false;
};

namespace {

constexpr unsigned int kLenient = CURLU_NON_SUPPORT_SCHEME | CURLU_URLENCODE | CURLU_ALLOW_SPACE;

// NUL would end it for libcurl, and nothing else that is not printed belongs there either.
bool has_controls(std::string_view text) {
  return std::any_of(text.begin(), text.end(), is_control);
}

}  // namespace

Result<Url> Url::parse(const std::string& text) {
  UrlParts parts;
  const bool good = text.size() <= kMaxUrl && !has_controls(text);
  if (const auto code = good ? parts.set(CURLUPART_URL, text.c_str(), kLenient) : CURLUE_MALFORMED_INPUT;
      code != CURLUE_OK) {
    // Not repeated: what is no URL may have a password anywhere.
    return fail(Errc::invalid_argument,
                std::string("this is no URL, as http://HOST/PATH is: ") + curl_url_strerror(code));
  }
  auto url = parts.finish();
  // libcurl takes the "x" of "http:///x" for a host.
  return url && text.find(":///") < text.find('/') ? fail(Errc::invalid_argument, kNoHost) : std::move(url);
}

Result<Url> Url::below(std::string_view key) const {
  if (key.empty() || key.size() > kMaxUrl || has_dot_segment(key)) {
    return fail(Errc::invalid_argument, "a key below " + shown() + " that is empty, too long or has . or .. in it");
  }
  UrlParts parts;
  if (parts.set(CURLUPART_URL, text_.c_str()) != CURLUE_OK) {
    return fail(Errc::invalid_argument, shown());
  }
  std::string path = parts.get(CURLUPART_PATH);
  path += path.ends_with('/') ? "" : "/";
  path += escaped(key);
  if (parts.set(CURLUPART_PATH, path.c_str()) != CURLUE_OK) {
    return fail(Errc::invalid_argument, shown());
  }
  auto url = parts.finish();
  if (url) {
    url->user_ = user_;
    url->password_ = password_;
  }
  return url;
}

Result<Url> Url::follow(const std::string& location) const {
  UrlParts parts;
  const bool good = !location.empty() && !has_controls(location) &&
                    parts.set(CURLUPART_URL, text_.c_str()) == CURLUE_OK &&
                    parts.set(CURLUPART_URL, location.c_str(), kLenient) == CURLUE_OK;
  if (!good) {
    return fail(Errc::corrupt, "a redirect to what is no URL");
  }
  auto url = parts.finish();
  if (url) {
    url->user_.clear();
    url->password_.clear();
  }
  return url;
}

bool Url::same_server(const Url& other) const noexcept {
  return secure_ == other.secure_ && port_ == other.port_ && host_ == other.host_;
}

bool Url::names_private_host() const noexcept {
  const bool local = host_ == "localhost" || std::string_view(host_).ends_with(".localhost");
  return local || is_private(host_.c_str()).value_or(false);
}

std::string Url::shown() const {
  const std::size_t query = text_.find('?');
  if (query == std::string::npos) {
    return text_;
  }
  std::string shown = text_.substr(0, query + 1);
  for (std::size_t begin = query + 1; begin < text_.size();) {
    const std::size_t end = std::min(text_.find('&', begin), text_.size());
    const std::string_view field = std::string_view(text_).substr(begin, end - begin);
    const std::size_t equals = field.find('=');
    const bool hide = equals != std::string_view::npos && is_secret(field.substr(0, equals));
    shown += hide ? std::string(field.substr(0, equals + 1)) + "..." : std::string(field);
    shown += end < text_.size() ? "&" : "";
    begin = end + 1;
  }
  return shown;
}

}  // namespace strandline::origin::http
