#include <strandline/drivers/file/failure.h>
#include <strandline/serve/control/arguments.h>
#include <strandline/serve/control/changes/purge.h>
#include <strandline/serve/control/control.h>
#include <strandline/serve/control/page.h>
#include <strandline/serve/log/without_secrets.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace strandline::serve {

using nlohmann::json;

namespace {

constexpr std::string_view kObjects = "/-/api/objects/";

ControlAnswer json_answer(const json& value, int status = 200) {
  return {.status = status, .body = value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"};
}

ControlAnswer refused(int status, std::string_view why) {
  return control_refusal(kApiPrefix, status, why);
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

Control::Control(ServerParts parts) : parts_(std::move(parts)) {}

void Control::serves(const std::shared_ptr<const CurrentServing>& serving) {
  serving_ = serving;
  picture_.emplace(parts_, serving_);
  desk_ = std::make_shared<Desk>([this] { return tick(); });
  long_desk_ = std::make_shared<Desk>([] { return Desk::Clock::time_point::max(); });
  prefetches_.emplace(parts_.objects, [desk = desk_] { desk->wake(); });
}

void Control::stop() noexcept {
  ending_.store(true, std::memory_order_relaxed);
  desk_->wake();
  idle_.get_future().wait();  // what has been begun answers to them
  desk_->stop();
  long_desk_->stop();
}

Desk::Clock::time_point Control::tick() {
  auto next = Desk::Clock::time_point::max();
  const auto done = file::contained([&]() -> Result<void> {
    prefetches_->look();
    if (ending_.load(std::memory_order_relaxed)) {
      prefetches_->stop();
      prefetches_->look();
      if (prefetches_->idle() && !std::exchange(said_idle_, true)) {
        idle_.set_value();
      }
    }
    next = events_.tick(*picture_, Desk::Clock::now());
    return {};
  });
  return done ? next : Desk::Clock::now() + std::chrono::seconds(1);  // there may be memory then
}

void Control::answer(ControlRequest request, Done done) noexcept {
  static constexpr Route kRoutes[] = {{"/-/metrics", "GET", &Control::metrics},
                                      {"/-/api/objects", "GET", &Control::objects},
                                      {kObjects, "GET", &Control::object},
                                      {"/-/api/prefetch", "POST", &Control::prefetch},
                                      {"/-/api/purge", "POST", &Control::purge, true}};
  const auto answered = file::contained([&]() -> Result<void> {
    const std::string& path = request.target.path;
    const auto* const route = std::find_if(std::begin(kRoutes), std::end(kRoutes), [&](const Route& each) {
      return path == each.path || (each.path.ends_with('/') && path.starts_with(each.path));
    });
    const bool is_stream = path == kEventsPath;  // of which this is a HEAD
    if (route == std::end(kRoutes) && !is_stream) {
      done(page(request));
      return {};
    }
    const std::string_view method = is_stream ? "GET" : route->method;
    if (request.method != method) {
      ControlAnswer answer = refused(405, "another method is wanted");
      answer.allow = method == "GET" ? "GET, HEAD" : "POST";
      done(std::move(answer));
      return {};
    }
    if (is_stream) {
      done({.type = "text/event-stream"});
      return {};
    }
    const auto& desk = route->is_long ? long_desk_ : desk_;
    const bool posted = desk->post([this, handler = route->handler, request = std::move(request), done] {
      ControlAnswer answer;
      const auto made = file::contained([&]() -> Result<void> {
        answer = (this->*handler)(request);
        return {};
      });
      answer.status = made ? answer.status : 503;
      done(std::move(answer));
    });
    if (!posted) {
      done(refused(503, "too much is asked at once"));
    }
    return {};
  });
  if (!answered) {
    done({.status = 503});
  }
}

ControlAnswer Control::page(const ControlRequest& request) const {
  const std::string_view path = std::string_view(request.target.path).substr(kControlPrefix.size());
  const auto files = page_files();
  const auto file = std::find_if(files.begin(), files.end(), [&](const PageFile& each) {
    const std::string_view name = path.empty() ? "index.html" : path;
    return each.name == name || (each.name == "openapi.yaml" && name == "api/openapi.yaml");
  });
  if (path != "healthz" && file == files.end()) {
    return control_refusal(request.target.path, 404, "nothing is there");
  }
  if (request.method != "GET") {
    ControlAnswer answer = control_refusal(request.target.path, 405, "only GET and HEAD");
    answer.allow = "GET, HEAD";
    return answer;
  }
  if (file != files.end()) {
    return {.type = type_of(file->name), .body = std::string(file->content)};
  }
  return {.type = "text/plain; charset=utf-8", .body = "ok\n"};
}

ControlAnswer Control::metrics(const ControlRequest&) {
  return {.type = kMetricsType, .body = metrics_text(parts_, prefetches_->counts())};
}

ControlAnswer Control::objects(const ControlRequest& request) {
  const auto below = path_argument(argument(request.target, "prefix").value_or("/"));
  if (!below) {
    return refused(400, "prefix: " + below.error());
  }
  const auto strip = strip_options(request.target);
  if (!strip) {
    return refused(400, "cells: 1 to 4096");
  }
  picture_->look(Desk::Clock::now());
  return json_answer(picture_->objects(*below, strip->cells));
}

ControlAnswer Control::object(const ControlRequest& request) {
  const auto id = id_argument(std::string_view(request.target.path).substr(kObjects.size()));
  const auto strip = strip_options(request.target);
  if (!strip) {
    return refused(400, "cells: 1 to 4096; from, to: offsets");
  }
  if (!id) {
    return refused(404, "there is no such object");
  }
  picture_->look(Desk::Clock::now());
  json found = picture_->object(*id, *strip);
  if (const auto* const failure = prefetches_->failure(*id)) {
    found = found.is_null() ? picture_->unknown(failure->name, *strip) : std::move(found);
    found["state"] = "failed";
    found["error"] = failure->error;
  } else if (const auto* const name = prefetches_->under_way(*id)) {
    found = found.is_null() ? picture_->unknown(*name, *strip) : std::move(found);
    found["state"] = "arriving";
  }
  return found.is_null() ? refused(404, "there is no such object") : json_answer(found);
}

ControlAnswer Control::prefetch(const ControlRequest& request) {
  const auto serving = current();
  const auto asked = prefetch_arguments(request.body);
  if (!asked) {
    return refused(400, asked.error());
  }
  if (serving == nullptr) {
    return refused(503, "the server is ending");
  }
  auto source = serving->source_of(asked->target);
  if (!source) {
    return refused(404, "nothing is served there");
  }
  const std::string id = id_text(object_id(source->name));
  picture_->told(source->name);
  if (!prefetches_->add({std::move(*source), asked->range})) {
    return refused(503, "too many wait already");
  }
  return json_answer({{"id", id}}, 202);
}

ControlAnswer Control::purge(const ControlRequest& request) {
  const auto serving = current();
  const auto asked = purge_arguments(request.body);
  if (!asked) {
    return refused(400, asked.error());
  }
  if (serving == nullptr) {
    return refused(503, "the server is ending");
  }
  const Purged purged = strandline::serve::purge(parts_, *serving, *asked);
  json done = {{"purged", purged.purged}, {"in_use", purged.in_use}};
  if (!purged.why) {
    return json_answer(done);
  }
  done["failed"] = purged.failed;
  done["error"] = "purged " + std::to_string(purged.purged) + ", in use " + std::to_string(purged.in_use) +
                  ", failed " + std::to_string(purged.failed) + ": " + without_secrets(purged.why->message());
  return json_answer(done, 500);
}

std::shared_ptr<Listener> Control::listen(std::size_t cells, std::function<void()> wake) {
  auto listener = events_.listen(cells, std::move(wake));
  desk_->wake();
  return listener;
}

}  // namespace strandline::serve
