//go:build unix

package servers_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/caddy-affiliate/caddy-affiliate/test/servers"
)

func TestRedisKillLosesDataAndRestartServesAgain(t *testing.T) {
	r := servers.Redis(t)
	c := r.Client()
	if err := c.Set(t.Context(), "a", "1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	r.Kill()
	if err := c.Get(t.Context(), "a").Err(); err == nil {
		t.Fatal("a killed Redis answered")
	}
	r.Restart()
	if err := c.Get(t.Context(), "a").Err(); err != redis.Nil {
		t.Fatalf("after a restart without persistence: %v, want nil", err)
	}
}

func TestRedisStopAnswersNothing(t *testing.T) {
	r := servers.Redis(t)
	c := r.Client()
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	r.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Ping(ctx).Err(); err == nil {
		t.Fatal("a stopped Redis answered")
	}
	r.Cont()
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestReplicaIsPromoted(t *testing.T) {
	r := servers.Redis(t)
	if err := r.Client().Set(t.Context(), "a", "1", 0).Err(); err != nil {
		t.Fatal(err)
	}
	replica := r.Replica(t)
	r.Kill()
	replica.Promote()
	c := replica.Client()
	if got, err := c.Get(t.Context(), "a").Result(); err != nil || got != "1" {
		t.Fatalf("replica has %q, %v", got, err)
	}
	if err := c.Set(t.Context(), "b", "2", 0).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestPostgresKillKeepsWhatWasCommitted(t *testing.T) {
	pg := servers.Postgres(t)
	dsn := pg.Database(t)
	c, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Exec(t.Context(), "CREATE TABLE a AS SELECT 7 AS n"); err != nil {
		t.Fatal(err)
	}
	pg.Kill()
	if err := c.Ping(t.Context()); err == nil {
		t.Fatal("a killed PostgreSQL answered")
	}
	pg.Restart(t)
	if c, err = pgx.Connect(t.Context(), dsn); err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	var n int
	if err := c.QueryRow(t.Context(), "SELECT n FROM a").Scan(&n); err != nil || n != 7 {
		t.Fatalf("after the restart: %d, %v", n, err)
	}
}

func TestSharedPostgresGivesEachTestItsOwnDatabase(t *testing.T) {
	a, b := servers.SharedPostgres(t).Database(t), servers.SharedPostgres(t).Database(t)
	if a == b {
		t.Fatalf("one database for two: %s", a)
	}
}

func proxied(t *testing.T) (*servers.FaultProxy, *redis.Client, redis.UniversalClient) {
	r := servers.Redis(t)
	p := servers.Proxy(t, r.Addr)
	c := redis.NewClient(&redis.Options{
		Addr: p.Addr, MaxRetries: -1, DialerRetries: 1, ContextTimeoutEnabled: true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	t.Cleanup(func() { c.Close() })
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	return p, c, r.Client()
}

func TestProxyCutAndRestore(t *testing.T) {
	p, c, _ := proxied(t)
	p.Cut()
	if err := c.Ping(t.Context()).Err(); err == nil {
		t.Fatal("a cut line answered")
	}
	p.Restore()
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestProxyDropsTheReplyAfterTheRequestWasDone(t *testing.T) {
	p, c, direct := proxied(t)
	p.DropReplies(func(int) bool { return true })
	if err := c.Incr(t.Context(), "n").Err(); err == nil {
		t.Fatal("the reply came through")
	}
	p.DropReplies(nil)
	if n, err := direct.Get(t.Context(), "n").Int(); err != nil || n != 1 {
		t.Fatalf("the server counted %d, %v", n, err)
	}
	if p.Lost() != 1 {
		t.Fatalf("lost %d replies", p.Lost())
	}
}

func TestProxyBlackHole(t *testing.T) {
	p, c, _ := proxied(t)
	p.BlackHole()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := c.Ping(ctx).Err(); err == nil {
		t.Fatal("a black hole answered")
	}
	p.Restore()
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}

func TestProxyDropsOnlyTheRepliesThatWereNamed(t *testing.T) {
	p, c, _ := proxied(t)
	p.DropRepliesTo("incr", func(int) bool { return true })
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	if err := c.Incr(t.Context(), "n").Err(); err == nil {
		t.Fatal("the reply came through")
	}
}

func TestProxySwitches(t *testing.T) {
	p, c, old := proxied(t)
	other := servers.Redis(t)
	p.Switch(other.Addr)
	if err := c.Set(t.Context(), "here", "1", 0).Err(); err != nil {
		_ = c.Set(t.Context(), "here", "1", 0).Err() // the first was on the connection that was closed
	}
	if n, err := other.Client().Exists(t.Context(), "here").Result(); err != nil || n != 1 {
		t.Errorf("the new server has %d of the key, %v", n, err)
	}
	if n, err := old.Exists(t.Context(), "here").Result(); err != nil || n != 0 {
		t.Errorf("the old server has %d of the key, %v", n, err)
	}
}
