// Place: where the bytes of a URL come from; Places: finds it.
// Threads: one. Blocks: to start an origin, at its first use. Errors: invalid_argument and unsupported, as Origins.
// Cost: a lookup. Lifetime: values; an origin ends with the last Place of it and its Places.
#pragma once

#include <strandline/origin/origins.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace strandline::tool {

struct Place {
  std::shared_ptr<origin::Origin> origin;
  std::string key;             // there
  std::string url;             // for messages, and to tell objects apart: without a password
  std::filesystem::path path;  // where it is when it is a local file; else empty
};

class Places {
 public:
  // To connect, and for too little to arrive. `redirects_to`: hosts that servers may send us to; not given: any.
  // `via`: of a gateway.
  explicit Places(std::chrono::seconds timeout, std::optional<std::vector<std::string>> redirects_to = {},
                  std::string via = {});
  [[nodiscard]] Result<Place> find(const std::string& url) const;

 private:
  origin::Origins origins_;
};

// The name that a file from this place is given: the last part of the URL's path, its percent-encoding undone. What a
// name must not have in it or begin with becomes '_'. invalid_argument when the URL ends in '/'.
[[nodiscard]] Result<std::string> file_name_of(const Place& place);

// "libcurl/7.88.1", or empty when built without the http feature.
[[nodiscard]] std::string http_version();

}  // namespace strandline::tool
