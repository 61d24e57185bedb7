// open_by_reading: an object of which the store has nothing is opened by the first read of its bytes, whose answer says
// what it is: the first byte is there one round trip after the call.
// Threads: any, but none of the origin's; what the answer says is told on one of those. Blocks: until it has come, or
// `stop`. Errors: the origin's, the store's, those of options.accept; interrupted. Cost: a fill. Lifetime: `store`
// until it returns.
#pragma once

#include <strandline/fill/opening/fetched_state.h>

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace strandline::fill {

// Null: this is no way to open it: it is complete, or somebody else writes it, and `told` is what the origin says that
// it is; or it ends before options.first, and the refusal tells its length, but not what it is.
[[nodiscard]] Result<std::shared_ptr<Fetched::State>> open_by_reading(
    store::Store& store, const std::shared_ptr<Filler>& filler, const std::shared_ptr<origin::Origin>& origin,
    const std::string& key, const FetchOptions& options, const std::stop_token& stop,
    std::optional<origin::ObjectInfo>& told);

}  // namespace strandline::fill
