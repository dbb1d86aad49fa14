package sqlite
import ("testing";"database/sql";"path/filepath";"fmt";"strings")
func TestZZ(t *testing.T){
 p:=filepath.Join(t.TempDir(),"x.db"); l,err:=Open(t.Context(),p); if err!=nil{t.Fatal(err)}; defer l.Close()
 db,_:=sql.Open("sqlite",p)
 in:="("+strings.Repeat("'x',",63)+"'x')"
 for _,q:=range []string{
 "SELECT s.id, s.network FROM session s WHERE s.network||'' = 'a' AND s.id IN "+in,
 "UPDATE delivery SET state='gone' WHERE network || '' = 'a' AND subject IN "+in,
 `UPDATE delivery_attempt SET answer = '' WHERE answer <> '' AND delivery_id IN (SELECT id FROM delivery WHERE network || '' = 'a' AND subject IN `+in+`)`,
 `WITH taken AS (SELECT d.id FROM delivery d
				WHERE d.network = 'a' AND d.destination = 'b' AND d.state = 'due' AND d.due_at <= 3
				AND (d.lane = '' OR NOT EXISTS (SELECT 1 FROM delivery e WHERE e.lane = d.lane AND e.lane <> ''
					AND e.network = d.network AND e.destination = d.destination AND e.state = 'due' AND e.n < d.n))
				ORDER BY d.due_at, d.id LIMIT 5)
			UPDATE delivery SET due_at = 4, attempts = attempts + 1, step = step + 1, updated_at = 3
			WHERE id IN (SELECT id FROM taken)`,
 `SELECT count(*), coalesce(min(created_at), 0) FROM delivery WHERE network = 'a' AND destination = 'b' AND state = 'due'`,
 `SELECT count(*) FROM delivery WHERE network = 'a' AND destination = 'b' AND state = 'dead'`,
 `DELETE FROM delivery WHERE id IN (SELECT id FROM delivery WHERE state IN ('sent', 'gone') AND updated_at < 5 ORDER BY updated_at LIMIT 1000)`,
 `UPDATE delivery SET state = outcome.state FROM (SELECT value ->> 0 AS id, value->>1 AS state FROM json_each('[]')) outcome WHERE delivery.id = outcome.id AND delivery.state = 'due'`,
 `UPDATE delivery SET state = 'due' WHERE id IN (SELECT id FROM delivery WHERE network='a' AND destination='b' AND state='dead' AND updated_at<=5 ORDER BY created_at, id LIMIT 1000)`,
 `UPDATE delivery SET state = 'due' WHERE id IN (SELECT id FROM delivery WHERE network='a' AND id='b' AND state='dead' AND updated_at<=5 ORDER BY created_at, id LIMIT 1000)`,
 `SELECT id FROM delivery WHERE network='a' AND state='dead' ORDER BY created_at DESC, id DESC LIMIT 50`,
 `SELECT id FROM delivery WHERE network='a' AND subject='x' ORDER BY created_at DESC, id DESC LIMIT 50`,
 }{
 rows,err:=db.Query("EXPLAIN QUERY PLAN "+q); if err!=nil{fmt.Println(err);continue}
 for rows.Next(){ var a,b,c int; var s string; rows.Scan(&a,&b,&c,&s); fmt.Println(s)}
 fmt.Println("--")
 }
}
