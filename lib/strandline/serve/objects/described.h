// Described: what every answer says of a version of an object.
// Threads: a value. Blocks: never. Errors: what the origin said and no field can have is left out. Throws bad_alloc.
// Cost: to make, some lines of text; so it is made once for each version. Lifetime: a value.
#pragma once

#include <strandline/origin/origin.h>
#include <strandline/serve/http/selection/conditions.h>

#include <chrono>
#include <optional>
#include <string>

namespace strandline::serve {

struct Described {
  // `at`: now, for dates with years of two digits. `came`: of what is stored, when the origin's answer came.
  Described(const origin::ObjectInfo& info, std::chrono::sys_seconds at,
            std::optional<std::chrono::sys_seconds> came = std::nullopt);

  http::Version version;
  std::string date;  // when the origin said so, as it is passed on (RFC 9110, section 6.6.1); empty: it has not
  std::string content_type;
  std::string fields;  // lines that are the same in each answer with its ETag
  std::string others;  // of the origin's, for who has nothing of the object yet
};

}  // namespace strandline::serve
