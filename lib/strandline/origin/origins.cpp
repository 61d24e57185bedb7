#include <strandline/origin/file_origin.h>
#include <strandline/origin/http/http_origin.h>
#include <strandline/origin/http/protocol/syntax.h>
#include <strandline/origin/origins.h>

#include <algorithm>
#include <filesystem>
#include <new>
#include <system_error>
#include <utility>

namespace strandline::origin {
namespace {

// One that is made when it is first asked for. A failure is not kept: the next one tries again.
class Shared {
 public:
  explicit Shared(Origins::Make make) : make_(std::move(make)) {}
  [[nodiscard]] Result<std::shared_ptr<Origin>> get() STRANDLINE_EXCLUDES(mutex_) {
    MutexLock lock(mutex_);
    if (!origin_) {
      auto made = make_();
      if (!made) {
        return made;
      }
      origin_ = std::move(*made);
    }
    return origin_;
  }

 private:
  const Origins::Make make_;
  Mutex mutex_;  // held while the origin is made
  std::shared_ptr<Origin> origin_ STRANDLINE_GUARDED_BY(mutex_);
};

// RFC 8089: file:///path, file://localhost/path and file:/path.
Result<std::string> path_of_file_url(const std::string& url) {
  const auto refused = [&url](std::string_view why) {
    return fail(Errc::invalid_argument, url + ": " + std::string(why));
  };
  std::string_view rest = std::string_view(url).substr(std::string_view("file:").size());
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    const std::string_view host = rest.substr(0, rest.find('/'));
    if (!host.empty() && host != "localhost") {
      return refused("a file URL names no other host; write file:///path");
    }
    rest.remove_prefix(host.size());
  }
  if (!rest.starts_with('/')) {
    return refused("a file URL needs an absolute path");
  }
  std::string path;
  for (std::size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] != '%') {
      path += rest[i];
      continue;
    }
    const int byte = http::percent_byte(rest, i);
    if (byte <= 0) {
      return refused("a % that no two hex digits other than 00 follow");
    }
    path += static_cast<char>(byte);
    i += 2;
  }
  return path;
}

Result<std::string> absolute_path(const std::string& path) {
  std::error_code error;
  auto absolute = std::filesystem::absolute(path, error);
  if (error) {
    return fail(Error{Errc::io, error, path});
  }
  return std::move(absolute).native();
}

// In lower case; empty: a path.
std::string scheme_of(const std::string& url) {
  const std::size_t colon = url.find(':');
  if (colon == std::string::npos || colon == 0) {
    return {};
  }
  std::string scheme = url.substr(0, colon);
  for (char& c : scheme) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
    const bool letter = c >= 'a' && c <= 'z';
    if (!letter && !(c >= '0' && c <= '9') && c != '+' && c != '-' && c != '.') {
      return {};
    }
  }
  const std::string_view rest = std::string_view(url).substr(colon + 1);
  return rest.starts_with("//") || (scheme == "file" && rest.starts_with('/')) ? scheme : std::string();
}

}  // namespace

// Where a backend joins with a line.
Origins::Origins() {
  const auto files = std::make_shared<Shared>([]() -> Result<std::shared_ptr<Origin>> { return FileOrigin::open({}); });
  add_by({"file"}, [files](const std::string& url) -> Result<OriginAndKey> {
    auto path = scheme_of(url).empty() ? absolute_path(url) : path_of_file_url(url);
    if (!path) {
      return fail(std::move(path.error()));
    }
    return files->get().map([&](std::shared_ptr<Origin> origin) {
      return OriginAndKey{std::move(origin), std::move(*path)};
    });
  });
  add({"http", "https"}, []() -> Result<std::shared_ptr<Origin>> { return HttpOrigin::open(); });
}

void Origins::add(std::initializer_list<std::string_view> schemes, Make make) {
  add_by(schemes, [shared = std::make_shared<Shared>(std::move(make))](const std::string& url) {
    return shared->get().map([&](std::shared_ptr<Origin> origin) { return OriginAndKey{std::move(origin), url}; });
  });
}

void Origins::add_by(std::initializer_list<std::string_view> schemes, Find find) {
  MutexLock lock(mutex_);
  for (const std::string_view scheme : schemes) {
    by_scheme_.insert_or_assign(std::string(scheme), find);
  }
}

Result<OriginAndKey> Origins::find(const std::string& url) const noexcept {
  try {
    return find_known(url);
  } catch (const std::bad_alloc&) {
    return fail(Errc::no_memory, "an origin");
  }
}

Result<OriginAndKey> Origins::find_known(const std::string& url) const {
  if (url.empty() || url.find('\0') != std::string::npos) {
    return fail(Errc::invalid_argument, url.empty() ? "an empty URL" : "a NUL in a URL");
  }
  const std::string scheme = scheme_of(url);
  Find find;
  std::string known;
  {
    MutexLock lock(mutex_);
    if (const auto it = by_scheme_.find(scheme.empty() ? "file" : scheme); it != by_scheme_.end()) {
      find = it->second;
    }
    for (const auto& [name, ignored] : by_scheme_) {
      known += (known.empty() ? "" : ", ") + name;
    }
  }
  if (!find) {
    return fail(Errc::unsupported, without_credentials(url) + ": scheme '" + scheme + "' is none of " + known);
  }
  return find(url);
}

std::string without_credentials(const std::string& url) {
  const std::size_t slashes = url.find("//");
  if (slashes == std::string::npos) {
    return url;
  }
  const std::size_t begin = slashes + 2;
  const std::size_t end = std::min(url.find_first_of("/?#", begin), url.size());
  const std::size_t at = std::string_view(url).substr(0, end).rfind('@');
  return at == std::string::npos || at < begin ? url : url.substr(0, begin) + url.substr(at + 1);
}

}  // namespace strandline::origin
