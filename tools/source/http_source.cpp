#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>

#include "body_plan.h"
#include "stall_watch.h"

namespace strandline::tool {
namespace {

using Clock = std::chrono::steady_clock;

constexpr long kMaxRedirects = 5;

// CURL and CURLM are both void, so each needs a deleter type of its own.
struct MultiFree {
  void operator()(void* multi) const noexcept { curl_multi_cleanup(multi); }
};
struct EasyFree {
  void operator()(void* easy) const noexcept { curl_easy_cleanup(easy); }
};
struct ListFree {
  void operator()(curl_slist* list) const noexcept { curl_slist_free_all(list); }
};
using Easy = std::unique_ptr<CURL, EasyFree>;
using Multi = std::unique_ptr<CURLM, MultiFree>;
using List = std::unique_ptr<curl_slist, ListFree>;

// One response on its way into the sink.
class Transfer {
 public:
  Transfer(const ByteSpec& spec, Sink& sink, std::chrono::seconds timeout)
      : spec_(spec), sink_(sink), watch_(timeout, Clock::now()) {}

  [[nodiscard]] StallWatch& watch() noexcept { return watch_; }
  // More was sent than Content-Length announced.
  void overlong() noexcept { overlong_ = true; }
  void header(std::string_view line) {
    if (!plan_) {  // what follows the body are trailers
      head_.add_line(line);
    }
  }

  // False: the transfer is to end here, well or not; finish() knows which.
  bool body(std::span<const std::byte> data) {
    const auto begin = Clock::now();
    const std::size_t size = data.size();
    const bool go_on = take(data);
    watch_.arrived(size, Clock::now() - begin);
    return go_on;
  }

  // What became of it, `end` being libcurl's word on how it ended.
  Result<void> finish(CURLcode end, const char* detail) {
    if (error_) {
      return fail(std::move(*error_));
    }
    if (done_early_) {
      return {};
    }
    if (overlong_) {
      return fail(Errc::corrupt, "the body is longer than its Content-Length");
    }
    if (end == CURLE_OK && !plan_ && !make_plan()) {
      return fail(std::move(*error_));
    }
    if (end == CURLE_PARTIAL_FILE || (end == CURLE_OK && plan_->body && received_ != *plan_->body)) {
      return fail(Errc::incomplete, "the body ended after " + std::to_string(received_) +
                                        (plan_ && plan_->body ? " of " + std::to_string(*plan_->body) : "") + " bytes");
    }
    if (end != CURLE_OK) {
      return fail(of_curl(end), detail);
    }
    if (received_ <= plan_->skip && !spec_.whole() && spec_.first) {
      if (const auto range = spec_.within(received_); !range) {
        return fail(range.error().clone());
      }
    }
    return {};
  }

 private:
  static Errc of_curl(CURLcode code) noexcept {
    switch (code) {
      case CURLE_OPERATION_TIMEDOUT:
        return Errc::timed_out;
      case CURLE_URL_MALFORMAT:
        return Errc::invalid_argument;
      case CURLE_UNSUPPORTED_PROTOCOL:
        return Errc::unsupported;
      case CURLE_OUT_OF_MEMORY:
        return Errc::no_memory;
      case CURLE_WEIRD_SERVER_REPLY:
      case CURLE_FILESIZE_EXCEEDED:
        return Errc::corrupt;
      default:
        return Errc::io;
    }
  }

  bool refuse(Error error) {
    error_ = std::move(error);
    return false;
  }

  bool make_plan() {
    auto plan = plan_body(head_, spec_);
    if (!plan) {
      return refuse(std::move(plan.error()));
    }
    plan_ = *plan;
    auto expected = sink_.expect(plan_->size);
    return expected ? true : refuse(std::move(expected.error()));
  }

  bool take(std::span<const std::byte> data) {
    if (!plan_ && !make_plan()) {
      return false;
    }
    const std::uint64_t at = received_;  // of data[0], in the body
    received_ += data.size();
    if (plan_->body && received_ > *plan_->body) {
      return refuse(Error::make(Errc::corrupt,
                                "the body is longer than the " + std::to_string(*plan_->body) + " bytes announced"));
    }
    const std::uint64_t end = plan_->limit > kMaxOffset - plan_->skip ? kMaxOffset : plan_->skip + plan_->limit;
    const ByteRange wanted = ByteRange{at, received_}.clamped_to({plan_->skip, end});
    if (!wanted.empty()) {
      auto taken = sink_.bytes(data.subspan(wanted.begin - at, wanted.size()));
      if (!taken) {
        return refuse(std::move(taken.error()));
      }
    }
    done_early_ = plan_->stops_early && received_ >= end;
    return !done_early_;
  }

  const ByteSpec& spec_;
  Sink& sink_;
  StallWatch watch_;
  HttpHead head_;
  std::optional<BodyPlan> plan_;
  std::uint64_t received_ = 0;
  std::optional<Error> error_;
  bool done_early_ = false;
  bool overlong_ = false;
};

// libcurl is C: no exception may pass through it.
std::size_t on_body(char* data, std::size_t size, std::size_t count, void* transfer) noexcept {
  const auto bytes = std::as_bytes(std::span(data, size * count));
  return static_cast<Transfer*>(transfer)->body(bytes) ? bytes.size() : CURL_WRITEFUNC_ERROR;
}

std::size_t on_header(char* data, std::size_t size, std::size_t count, void* transfer) noexcept {
  static_cast<Transfer*>(transfer)->header(std::string_view(data, size * count));
  return size * count;
}

// By RFC 9112 what follows Content-Length bytes is no part of the body, and libcurl drops it; that it was
// there it tells nobody but its log. The text stands in its source since 2001 and a test holds it.
int on_log(CURL*, curl_infotype type, char* data, std::size_t size, void* transfer) noexcept {
  if (type == CURLINFO_TEXT && std::string_view(data, size).starts_with("Excess found")) {
    static_cast<Transfer*>(transfer)->overlong();
  }
  return 0;
}

void start_curl() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(started);  // a failure shows again as a handle that cannot be made
}

class HttpSource final : public Source {
 public:
  HttpSource(std::string url, const SourceOptions& options)
      : url_(std::move(url)), name_(without_credentials(url_)), options_(options) {}

  [[nodiscard]] std::string name() const override { return name_; }

  [[nodiscard]] Result<void> read(const ByteSpec& spec, Sink& sink, std::stop_token stop) override {
    start_curl();
    // The order matters: the easy handle leaves the multi handle before either is freed.
    const Multi multi(curl_multi_init());
    const Easy easy(curl_easy_init());
    List headers(curl_slist_append(nullptr, "Accept-Encoding: identity"));
    if (!spec.whole() && headers) {
      const std::string line = "Range: bytes=" + spec.text();
      if (curl_slist_append(headers.get(), line.c_str()) == nullptr) {
        headers.reset();
      }
    }
    if (!multi || !easy || !headers) {
      return fail(Errc::no_memory, name_);
    }
    Transfer transfer(spec, sink, options_.timeout);
    std::array<char, CURL_ERROR_SIZE> detail{};
    set_options(easy.get(), headers.get(), transfer, detail.data());
    auto outcome = run(multi.get(), easy.get(), transfer, detail.data(), stop);
    if (!outcome) {
      std::string& context = outcome.error().context;
      context = context.empty() ? name_ : name_ + ": " + context;
    }
    return outcome;
  }

 private:
  void set_options(CURL* easy, curl_slist* headers, Transfer& transfer, char* detail) const {
    curl_easy_setopt(easy, CURLOPT_URL, url_.c_str());
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS, CURLPROTO_HTTP | CURLPROTO_HTTPS);
#endif
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, kMaxRedirects);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "strandline/" STRANDLINE_VERSION);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, static_cast<long>(options_.timeout.count()));
    curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, 256L * 1024);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);  // several threads
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, &transfer);
    curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L);  // for on_log
    curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, &on_log);
    curl_easy_setopt(easy, CURLOPT_DEBUGDATA, &transfer);
  }

  // The multi interface, because curl_easy_perform() cannot be woken by a stop.
  Result<void> run(CURLM* multi, CURL* easy, Transfer& transfer, const char* detail,
                   const std::stop_token& stop) const {
    const std::stop_callback wake(stop, [multi] { curl_multi_wakeup(multi); });
    CURLMcode state = curl_multi_add_handle(multi, easy);
    struct Removal {
      CURLM* multi;
      CURL* easy;
      ~Removal() { curl_multi_remove_handle(multi, easy); }
    } const removal{multi, easy};
    for (int running = 1; state == CURLM_OK && running > 0;) {
      state = curl_multi_perform(multi, &running);
      if (stop.stop_requested()) {
        return fail(Errc::cancelled);
      }
      if (state != CURLM_OK || running == 0) {
        break;
      }
      const auto now = Clock::now();
      if (transfer.watch().stalled(now)) {
        return fail(Errc::timed_out, "less than " + std::to_string(StallWatch::kLowSpeed) + " bytes per second for " +
                                         std::to_string(options_.timeout.count()) + " s");
      }
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(transfer.watch().due() - now);
      state =
          curl_multi_poll(multi, nullptr, 0, static_cast<int>(left.count()), nullptr);  // or until libcurl's own timers
    }
    if (state != CURLM_OK) {
      return fail(Errc::io, curl_multi_strerror(state));
    }
    int left = 0;
    const CURLMsg* const message = curl_multi_info_read(multi, &left);
    const CURLcode end = message != nullptr ? message->data.result : CURLE_RECV_ERROR;
    return transfer.finish(end, *detail != '\0' ? detail : curl_easy_strerror(end));
  }

  const std::string url_;
  const std::string name_;
  const SourceOptions options_;
};

}  // namespace

Result<std::unique_ptr<Source>> make_http_source(const std::string& url, const SourceOptions& options) {
  return std::make_unique<HttpSource>(url, options);
}

std::string http_version() {
  return std::string("libcurl/") + curl_version_info(CURLVERSION_NOW)->version;
}

}  // namespace strandline::tool
