// HttpOrigin by the contract that every origin is held to, with a server that has objects put into it.
#include <strandline/origin/http/http_origin.h>

#include <tests/origin/conformance.h>
#include <tests/support/http/http_server.h>

#include <charconv>
#include <map>

namespace strandline::origin::conformance {
namespace {

std::string decoded(const std::string& path) {
  std::string text;
  for (std::size_t at = 0; at < path.size(); ++at) {
    if (path[at] != '%') {
      text += path[at];
      continue;
    }
    unsigned char byte = 0;
    std::from_chars(path.data() + at + 1, path.data() + at + 3, byte, 16);
    text += static_cast<char>(byte);
    at += 2;
  }
  return text;
}

// Objects by path, each version with an ETag of its own.
class Shelf {
 public:
  void put(const std::string& path, const Bytes& content) {
    MutexLock lock(mutex_);
    objects_[path] = {std::make_shared<const Bytes>(content), "\"" + std::to_string(++versions_) + "\""};
  }

  void serve(testing::HttpExchange& exchange) {
    const testing::HttpRequest& request = exchange.request();
    Object object;
    {
      MutexLock lock(mutex_);
      object = objects_[decoded(request.target)];
    }
    if (!object.content) {
      exchange.answer(404);
      return;
    }
    const std::string wanted = request.header("if-match");
    if (!wanted.empty() && wanted != object.etag) {
      exchange.answer(412);
      return;
    }
    const std::uint64_t size = object.content->size();
    const std::string total = "/" + std::to_string(size);
    const auto asked = request.method == "GET" ? request.range() : std::nullopt;
    const ByteRange range = asked.value_or(ByteRange{0, size}).clamped_to({0, size});
    std::vector<std::string> lines = {"ETag: " + object.etag, "Accept-Ranges: bytes"};
    if (asked && range.empty()) {
      exchange.answer(416, {}, {lines[0], "Content-Range: bytes *" + total});
      return;
    }
    if (asked) {
      lines.push_back("Content-Range: bytes " + std::to_string(range.begin) + "-" + std::to_string(range.end - 1) +
                      total);
    }
    const std::string_view all(reinterpret_cast<const char*>(object.content->data()), object.content->size());
    exchange.answer(asked ? 206 : 200, all.substr(range.begin, range.size()), std::move(lines));
  }

 private:
  struct Object {
    std::shared_ptr<const Bytes> content;
    std::string etag;
  };
  Mutex mutex_;
  std::map<std::string, Object> objects_ STRANDLINE_GUARDED_BY(mutex_);
  unsigned versions_ STRANDLINE_GUARDED_BY(mutex_) = 0;
};

}  // namespace

// Keys are paths below a URL.
struct Http : Subject {
  static constexpr Can kCan{.write = false, .list = false, .sort = false, .refuse = false};
  [[nodiscard]] Origin& origin() override { return *origin_; }
  void end_origin() override { origin_.reset(); }
  void put(const std::string& name, const Bytes& content) override { shelf_.put("/shelf/" + name, content); }

  Http() : Http("/shelf/") {}

 protected:
  explicit Http(const std::string& base) {
    HttpOptions options;
    options.base = base.empty() ? "" : server_.url(base);
    origin_ = HttpOrigin::open(std::move(options)).value();
  }
  Shelf shelf_;
  testing::HttpServer server_{[this](testing::HttpExchange& exchange) { shelf_.serve(exchange); }};
  std::unique_ptr<HttpOrigin> origin_;
};
STRANDLINE_ORIGIN_CONFORMS(Http);

// Keys are URLs.
struct AnyHttp final : Http {
  AnyHttp() : Http("") {}
  [[nodiscard]] std::string key(const std::string& name) override { return server_.url("/shelf/" + name); }
};
STRANDLINE_ORIGIN_CONFORMS(AnyHttp);

}  // namespace strandline::origin::conformance
