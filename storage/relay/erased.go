package relay

import (
	"context"
	"fmt"
	"slices"

	"github.com/redis/go-redis/v9"
)

const erasedKey = "affiliate:erased"

// erasedChunk is how many hashes go into one command.
const erasedChunk = 1000

// AddErased makes known which visitors were erased, by their hashes, to edges that have no ledger. They are never taken back.
func (r *Relay) AddErased(ctx context.Context, hashes []string) error {
	for chunk := range slices.Chunk(hashes, erasedChunk) {
		members := make([]any, len(chunk))
		for i, hash := range chunk {
			members[i] = hash
		}
		err := r.client.SAdd(ctx, erasedKey, members...).Err()
		if redis.HasErrorPrefix(err, "WRONGTYPE") { // a stranger's
			_, err = r.client.TxPipelined(ctx, func(p redis.Pipeliner) error {
				p.Del(ctx, erasedKey)
				p.SAdd(ctx, erasedKey, members...)
				return nil
			})
		}
		if err = done("erased", err); err != nil {
			return fmt.Errorf("publishing erased visitors: %w", err)
		}
	}
	return nil
}

// CountErased returns how many erased visitors are published.
func (r *Relay) CountErased(ctx context.Context) (int64, error) {
	n, err := r.client.SCard(ctx, erasedKey).Result()
	if err = done("erased", absentIfForeign(err)); err != nil {
		return 0, fmt.Errorf("counting erased visitors: %w", err)
	}
	return n, nil
}

// Erased returns the hashes of the visitors whom hubs know to be erased.
func (r *Relay) Erased(ctx context.Context) ([]string, error) {
	hashes, err := r.client.SMembers(ctx, erasedKey).Result()
	if err = done("erased", absentIfForeign(err)); err != nil {
		return nil, fmt.Errorf("reading erased visitors: %w", err)
	}
	return hashes, nil
}
