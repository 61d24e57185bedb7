#include <strandline/serve/control/control.h>
#include <strandline/serve/control/page.h>

#include <algorithm>
#include <new>
#include <utility>

namespace strandline::serve {
namespace {

ControlAnswer plain(int status, std::string text) {
  return {.status = status, .type = "text/plain; charset=utf-8", .body = std::move(text) + "\n"};
}

std::string type_of(std::string_view name) {
  const std::pair<std::string_view, const char*> types[] = {{".html", "text/html; charset=utf-8"},
                                                            {".css", "text/css; charset=utf-8"},
                                                            {".js", "text/javascript; charset=utf-8"},
                                                            {".svg", "image/svg+xml"},
                                                            {".yaml", "application/yaml"}};
  const auto* const found =
      std::find_if(std::begin(types), std::end(types), [&](const auto& type) { return name.ends_with(type.first); });
  return found != std::end(types) ? found->second : "application/octet-stream";
}

}  // namespace

void Control::answer(ControlRequest request, Done done) noexcept {
  ControlAnswer answer;
  try {
    answer = answer_to(request);
  } catch (const std::bad_alloc&) {
    answer.status = 503;
  }
  done(std::move(answer));
}

ControlAnswer Control::answer_to(const ControlRequest& request) const {
  const std::string_view path = std::string_view(request.target.path).substr(kControlPrefix.size());
  const bool is_read = request.method == "GET";
  const auto files = page_files();
  const auto file = std::find_if(files.begin(), files.end(), [&](const PageFile& each) {
    return each.name == (path.empty() ? std::string_view("index.html") : path);
  });
  if (path != "healthz" && file == files.end()) {
    return plain(404, "nothing is there");
  }
  if (!is_read) {
    ControlAnswer refused = plain(405, "only GET and HEAD");
    refused.allow = "GET, HEAD";
    return refused;
  }
  if (file != files.end()) {
    return {.type = type_of(file->name), .body = std::string(file->content)};
  }
  return stopping_.load(std::memory_order_relaxed) ? plain(503, "stopping") : plain(200, "ok");
}

}  // namespace strandline::serve
