package ice

import (
	"testing"

	"github.com/rtcstack/rtcstack/internal/netsim"
)

func TestMain(m *testing.M) { netsim.Main(m) }
