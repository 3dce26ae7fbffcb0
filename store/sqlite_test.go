package store_test

import (
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/photopush/photopush/store"
	"github.com/photopush/photopush/store/storetest"
)

func TestMain(m *testing.M) {
	child()
	goleak.VerifyTestMain(m)
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t testing.TB) func(store.Options) *store.Store {
		path := filepath.Join(t.TempDir(), "photopush.db")
		return func(o store.Options) *store.Store { return openAt(t, path, o) }
	})
}
