#include <strandline/origin/http/protocol/syntax.h>
#include <strandline/serve/access/hidden.h>
#include <strandline/serve/connection/serving.h>
#include <strandline/serve/http/request/request_target.h>
#include <strandline/serve/http/request/uri_characters.h>

namespace strandline::serve {

std::optional<Source> Serving::source_of(const http::RequestTarget& target) const {
  const Mount* found = nullptr;
  for (const Mount& mount : mounts) {
    if (target.path.starts_with(mount.prefix) && (found == nullptr || mount.prefix.size() > found->prefix.size())) {
      found = &mount;
    }
  }
  if (found == nullptr || (!found->urls && target.query)) {
    return std::nullopt;
  }
  // A prefix has nothing that is encoded: as many bytes of the decoded path's are it.
  const std::string rest = (found->urls ? target.path : target.decoded_path()).substr(found->prefix.size());
  if (rest.empty() && !target.query) {
    return std::nullopt;
  }
  Source source{found->origin, found->base + rest, found->name + rest,
                rules.empty() ? nullptr : rule_for(rules, target.decoded_path())};
  if (target.query) {
    const auto name = hidden(*target.query);
    source.key += "?" + *target.query;
    source.name = name ? source.name + "?sha256=" + *name : "";
  }
  return source;
}

std::shared_ptr<const Serving> CurrentServing::get(std::shared_ptr<const Serving> held) const {
  if (held != nullptr && held.get() == latest_.load(std::memory_order_acquire)) {
    return held;  // nothing else can be where it is, for it is held
  }
  MutexLock lock(mutex_);
  return serving_;
}

void CurrentServing::replace(Serving next) {
  auto made = std::make_shared<const Serving>(std::move(next));  // the one before ends outside the lock
  MutexLock lock(mutex_);
  latest_.store(made.get(), std::memory_order_release);
  serving_.swap(made);
}

std::string Serving::path_of(std::string_view name) const {
  const Mount* found = nullptr;
  for (const Mount& mount : mounts) {
    if (name.starts_with(mount.name) && (found == nullptr || mount.name.size() > found->name.size())) {
      found = &mount;
    }
  }
  if (found == nullptr) {
    return {};
  }
  const std::string_view rest = name.substr(found->name.size());
  if (found->urls) {
    return found->prefix + std::string(rest.substr(0, rest.find('?')));
  }
  std::string path = found->prefix;
  for (const char c : rest) {
    if (c == '/' || http::is_path_character(c)) {
      path += c;
    } else {
      origin::http::append_percent(path, c);
    }
  }
  return path;
}

std::vector<std::string> Serving::names_below(const http::RequestTarget& path) const {
  std::vector<std::string> names;
  for (const Mount& mount : mounts) {
    if (mount.prefix.starts_with(path.path)) {
      names.push_back(mount.name);
    } else if (path.path.starts_with(mount.prefix)) {
      names.push_back(mount.name + (mount.urls ? path.path : path.decoded_path()).substr(mount.prefix.size()));
    }
  }
  return names;
}

}  // namespace strandline::serve
