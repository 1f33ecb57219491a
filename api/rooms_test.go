package rtc

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"sort"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The parts of a PeerConnection, and what each may know of the others: references run one way, from the top down. ARCHITECTURE.md has the
// picture.
var roomsBelow = map[string][]string{
	"connection":  {"negotiation", "transport", "channels", "tracks", "shared"},
	"negotiation": {"shared"},
	"transport":   {"shared"},
	"channels":    {"transport", "shared"},
	"tracks":      {"transport", "shared"},
	"websocket":   {"shared"},
	"shared":      {},
}

// roomOfFile says in which part the declarations of a file are, by the beginning of its name. Methods are in the part of their
// receiver, wherever they stand. What is not listed is shared by all.
var roomOfFile = [][2]string{
	{"peerconnection", "connection"}, {"close.go", "connection"}, {"signal", "connection"}, {"wait.go", "connection"}, {"shutdown", "connection"},
	{"negotiation", "negotiation"}, {"transport", "transport"},
	{"channels", "channels"}, {"streams", "channels"}, {"unread", "channels"}, {"datachannel", "channels"},
	{"track", "tracks"}, {"websocket", "websocket"},
}

// roomOfType says in which part the types are whose files hold others, too.
var roomOfType = map[string]string{"PeerConnection": "connection", "DataChannel": "channels", "channelTable": "channels", "transport": "transport"}

func TestRoomsKnowOnlyThoseBelow(t *testing.T) {
	fset := token.NewFileSet()
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	type declaration struct {
		room string
		name string
		node ast.Node
		file *ast.File
	}
	var all []declaration
	roomOf := map[string]string{} // of package-level names
	fileRoom := func(name string) string {
		for _, r := range roomOfFile {
			if strings.HasPrefix(name, r[0]) {
				return r[1]
			}
		}
		return "shared"
	}
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(fset, e.Name(), nil, 0)
		require.NoError(t, err)
		room := fileRoom(e.Name())
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					roomOf[d.Name.Name] = room
				}
				all = append(all, declaration{room, d.Name.Name, d, file})
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.TypeSpec:
						if r := roomOfType[s.Name.Name]; r != "" {
							room := r
							roomOf[s.Name.Name] = room
							all = append(all, declaration{room, s.Name.Name, s, file})
							continue
						}
						roomOf[s.Name.Name] = room
						all = append(all, declaration{room, s.Name.Name, s, file})
					case *ast.ValueSpec:
						for _, n := range s.Names {
							roomOf[n.Name] = room
						}
						all = append(all, declaration{room, s.Names[0].Name, s, file})
					}
				}
			}
		}
	}
	for i, d := range all {
		if f, ok := d.node.(*ast.FuncDecl); ok && f.Recv != nil {
			receiver := f.Recv.List[0].Type
			if star, ok := receiver.(*ast.StarExpr); ok {
				receiver = star.X
			}
			if id, ok := receiver.(*ast.Ident); ok {
				all[i].room, all[i].name = roomOf[id.Name], id.Name+"."+d.name
			}
		}
	}
	var wrong []string
	for _, d := range all {
		// The parser leaves unresolved what is declared in another file, and resolves what is local to the function.
		keys := map[*ast.Ident]bool{}
		ast.Inspect(d.node, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if id, ok := n.Key.(*ast.Ident); ok {
					keys[id] = true
				}
			case *ast.SelectorExpr:
				keys[n.Sel] = true
			case *ast.FuncDecl:
				keys[n.Name] = true
			case *ast.Field:
				for _, id := range n.Names {
					keys[id] = true
				}
			}
			return true
		})
		ast.Inspect(d.node, func(n ast.Node) bool {
			id, ok := n.(*ast.Ident)
			if !ok || keys[id] || id.Name == "_" {
				return true
			}
			if id.Obj != nil && (id.Obj.Kind == ast.Var || id.Obj.Kind == ast.Con) && id.Obj.Pos() >= d.node.Pos() && id.Obj.Pos() <= d.node.End() {
				return true // local
			}
			below, known := roomOf[id.Name]
			if !known || below == d.room {
				return true
			}
			for _, allowed := range roomsBelow[d.room] {
				if allowed == below {
					return true
				}
			}
			wrong = append(wrong, fset.Position(id.Pos()).String()+": "+d.name+" ("+d.room+") knows "+id.Name+" ("+below+")")
			return true
		})
	}
	sort.Strings(wrong)
	require.Empty(t, wrong, strings.Join(wrong, "\n"))
}
