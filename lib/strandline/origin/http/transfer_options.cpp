// What each request asks libcurl for.
#include <algorithm>
#include <new>
#include <string>

#include "transfer.h"

namespace strandline::origin::http {
namespace {

class Options {
 public:
  explicit Options(CURL* easy) : easy_(easy) {}

  // libcurl copies text. An option that this libcurl does not have is one we can do without.
  template <class T>
  void set(CURLoption option, T value) {
    if (curl_easy_setopt(easy_, option, value) == CURLE_OUT_OF_MEMORY) {
      throw std::bad_alloc();
    }
  }

 private:
  CURL* easy_;
};

// From loopback into a file, with 16 connections, a GiB takes 0.21 s of CPU with buffers of 512 KiB and 0.26 s with
// 128 KiB (0.20 s with one connection, of either); 1 MiB is no better.
constexpr std::uint64_t kMaxBuffer = 512 * 1024;
constexpr std::uint64_t kMinBuffer = 64 * 1024;
constexpr std::uint64_t kHeaderRoom = 8 * 1024;

// libcurl reads the socket up to a hundred times before it looks at anything else.
std::uint64_t buffer_size(const Question& question, std::uint64_t max_rate) {
  if (max_rate > 0) {
    // One read is what comes in a hundredth of a second.
    return std::clamp<std::uint64_t>(max_rate / 100, std::uint64_t{1024}, kMaxBuffer);
  }
  const std::uint64_t expected = (question.head ? 0 : std::min(kMaxBuffer, question.range.size())) + kHeaderRoom;
  return std::clamp(expected, kMinBuffer, kMaxBuffer);
}

void append(List& list, const std::string& line) {
  curl_slist* const longer = curl_slist_append(list.get(), line.c_str());
  if (longer == nullptr) {
    throw std::bad_alloc();
  }
  static_cast<void>(list.release());
  list.reset(longer);
}

}  // namespace

void Transfer::set_options(CURL* handle) {
  const HttpOptions& own = loop_->options;
  headers_.reset();
  append(headers_, "Accept-Encoding: identity");
  if (!own.via.empty()) {
    append(headers_, "Via: " + own.via);
  }
  if (question_.ranged) {
    append(headers_, "Range: " + question_.range_text());
  }
  if (const auto tag = question_.if_match_text()) {
    append(headers_, "If-Match: " + *tag);
  }
  Options options(handle);
  if (route_.trusted()) {
    for (const auto& [name, value] : own.headers) {
      append(headers_, value.empty() ? name + ";" : name + ": " + value);  // libcurl's way to say an empty one
    }
    if (!route_.first().user().empty() || !route_.first().password().empty()) {
      options.set(CURLOPT_USERNAME, route_.first().user().c_str());
      options.set(CURLOPT_PASSWORD, route_.first().password().c_str());
    }
  }
  options.set(CURLOPT_HTTPHEADER, headers_.get());
  options.set(CURLOPT_URL, route_.now().text().c_str());
  options.set(CURLOPT_USERAGENT, own.user_agent.c_str());
  options.set(CURLOPT_NOBODY, question_.head ? 1L : 0L);
#if LIBCURL_VERSION_NUM >= 0x075500
  options.set(CURLOPT_PROTOCOLS_STR, "http,https");
#else
  options.set(CURLOPT_PROTOCOLS, static_cast<long>(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
  options.set(CURLOPT_HTTP_VERSION, static_cast<long>(own.http2 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
  options.set(CURLOPT_HTTP_CONTENT_DECODING, 0L);
  options.set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  if (own.proxy) {
    options.set(CURLOPT_PROXY, own.proxy->c_str());
  }
  options.set(CURLOPT_SSL_VERIFYPEER, own.verify_tls ? 1L : 0L);
  options.set(CURLOPT_SSL_VERIFYHOST, own.verify_tls ? 2L : 0L);
  if (!own.ca_file.empty()) {
    options.set(CURLOPT_CAINFO, own.ca_file.c_str());
    options.set(CURLOPT_CAPATH, static_cast<const char*>(nullptr));  // else the system's are believed besides
  }
  options.set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(own.connect_timeout.count()));
  options.set(CURLOPT_NOSIGNAL, 1L);  // several threads
#if LIBCURL_VERSION_NUM >= 0x075700
  options.set(CURLOPT_QUICK_EXIT, 1L);  // else a stop waits for the resolver's thread
#endif
  options.set(CURLOPT_TCP_KEEPALIVE, 1L);
  options.set(CURLOPT_FRESH_CONNECT, request_.new_connection ? 1L : 0L);
  options.set(CURLOPT_BUFFERSIZE, static_cast<long>(buffer_size(question_, request_.max_rate)));
  options.set(CURLOPT_ERRORBUFFER, detail_.data());
  options.set(CURLOPT_PRIVATE, this);
  options.set(CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  options.set(CURLOPT_HEADERDATA, this);
  options.set(CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  options.set(CURLOPT_WRITEDATA, this);
  options.set(CURLOPT_VERBOSE, 1L);  // for on_log
  options.set(CURLOPT_DEBUGFUNCTION, &Transfer::on_log);
  options.set(CURLOPT_DEBUGDATA, this);
  options.set(CURLOPT_OPENSOCKETFUNCTION, &Transfer::on_socket);
  options.set(CURLOPT_OPENSOCKETDATA, this);
  options.set(CURLOPT_PREREQFUNCTION, &Transfer::on_ready);
  options.set(CURLOPT_PREREQDATA, this);
}

}  // namespace strandline::origin::http
