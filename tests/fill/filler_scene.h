// FillerScene: a resource in memory that a filler fills, from an origin that answers by hand.
// Threads: a test's. Blocks: its end, until the fill has ended. Errors: a broken expectation is a failed REQUIRE.
// Cost: a filler's. Lifetime: a test's.
#pragma once

#include <strandline/fill/filler.h>
#include <tests/fill/manual_origin.h>

namespace strandline::testing {

using fill::Fill;
using fill::Filler;
using fill::FillRequest;
using fill::Policy;
using fill::ResourceTarget;

inline origin::ObjectInfo object(std::uint64_t size, std::string version = "1") {
  return {size, {Validator::Kind::strong, std::move(version)}, true, {}};
}

inline fill::FillRequest request_for(std::shared_ptr<origin::Origin> origin, const Resource<MemoryDriver>& resource) {
  fill::FillRequest request;
  request.origin = std::move(origin);
  request.key = "key";
  request.target = std::make_unique<fill::ResourceTarget<MemoryDriver>>(resource, required(resource.writer()));
  return request;
}

struct FillerScene {
  explicit FillerScene(fill::Policy policy = fill::Policy::whole, fill::FillerOptions options = {})
      : filler(required(fill::Filler::create(options))) {
    auto request = request_for(origin, resource);
    request.limits.policy = policy;
    fill = required(filler.fill(std::move(request)));
  }

  std::shared_ptr<ManualOrigin> origin = std::make_shared<ManualOrigin>();
  fill::Filler filler;
  Resource<MemoryDriver> resource = required(Resource<MemoryDriver>::open({}));
  fill::Fill fill;
};

}  // namespace strandline::testing
