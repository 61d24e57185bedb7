// Origins: from what a user typed, a path or a URL, to the origin that has it and its key there.
// Threads: thread-safe. Blocks: never, but to make an origin at its first use. Errors: unsupported for a scheme that is
// not known, naming those that are; invalid_argument for what is no URL; what making the origin answers. Cost: a
// lookup. Lifetime: origins are shared: they end when this object and all who were given them have gone.
#pragma once

#include <strandline/base/mutex.h>
#include <strandline/origin/origin.h>

#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace strandline::origin {

struct OriginAndKey {
  std::shared_ptr<Origin> origin;
  std::string key;
};

class Origins {
 public:
  // With those of this library: paths and file: URLs, whose keys are absolute paths (FileOrigin without a root); http
  // and https (HttpOrigin). They are made with default options; for others add() them anew.
  Origins();

  // One origin for all URLs of these schemes, made when the first is asked for; its keys are the URLs. Schemes are in
  // lower case, and replace what they stood for before.
  using Make = std::function<Result<std::shared_ptr<Origin>>()>;
  void add(std::initializer_list<std::string_view> schemes, Make make);
  // Where a URL chooses among several origins, or its key is only a part of it. Called on any thread.
  using Find = std::function<Result<OriginAndKey>(const std::string& url)>;
  void add_by(std::initializer_list<std::string_view> schemes, Find find);

  // A URL begins with "scheme://" or "file:/"; all else is a path, colons or not.
  [[nodiscard]] Result<OriginAndKey> find(const std::string& url) const noexcept;

 private:
  [[nodiscard]] Result<OriginAndKey> find_known(const std::string& url) const STRANDLINE_EXCLUDES(mutex_);

  mutable Mutex mutex_;  // a leaf
  std::map<std::string, Find, std::less<>> by_scheme_ STRANDLINE_GUARDED_BY(mutex_);
};

// A user name and password must not reach a log: "http://u:p@host/" becomes "http://host/".
[[nodiscard]] std::string without_credentials(const std::string& url);

}  // namespace strandline::origin
