"""Routes: through mazes, between obstacles, for cars, knights and boxes in each other's way."""
import re
from fractions import Fraction
from itertools import islice, product
from random import Random

from tasks.base import Instance, Task, at, integer, literal, show
from tasks.families.grids import neighbours
from tasks.families.planning import Search, phrases, reach, words

# A board is a list of rows of marks; a cell is (row, column), both counted from 0 at the top left.


def draw_board(rng: Random, height: int, width: int, marks: str, weights: tuple,
               ends: str) -> list[str]:
    """Rows of random marks, with a cell for either end of the way."""
    cells = [rng.choices(marks, weights, k=width) for _ in range(height)]
    for end, place in zip(ends, rng.sample(range(height * width), 2)):
        cells[place // width][place % width] = end
    return ["".join(row) for row in cells]


def free_cells(rows, wall):
    """The marks of all cells but the walls: {(0, 0): "S", (0, 1): "."}."""
    free = {}
    for r, row in enumerate(rows):
        for c, mark in enumerate(row):
            if mark != wall:
                free[r, c] = mark
    return free


class Maze(Task):
    parse = staticmethod(integer)
    uses = (free_cells, neighbours)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        sizes, least = at(rng, level, ((5, 7), 3), ((8, 12), 5), ((15, 25), 15))
        while True:
            n = rng.randint(*sizes)
            rows = draw_board(rng, n, n, ".#", (7, 3), ends="SG")
            if self.solve(rows) >= least:
                break
        return ("How many steps up, down, left or right are needed from S to G, "
                f"if # is a wall?\n{show(rows, '')}\nAnswer with the least number.",
                dict(rows=rows))

    @staticmethod
    def solve(rows):
        free = free_cells(rows, "#")
        place = {mark: cell for cell, mark in free.items()}
        # Breadth first: the cells one step away, then those two steps away, and so on.
        steps, front = {place["S"]: 0}, [place["S"]]
        for r, c in front:  # grows while it is read
            for cell in neighbours(r, c):
                if cell in free and cell not in steps:
                    steps[cell] = steps[r, c] + 1
                    front.append(cell)
        return steps.get(place["G"], -1)


class ShortestPath(Search):
    shortest, joint, stuck = True, " ", "infeasible"
    steps = staticmethod(words)
    uses = (free_cells,)

    def make(self, rng: Random, level: int) -> tuple:
        sizes, blocked = at(rng, level, ((4, 6), 0.25), ((5, 8), 0.35), ((10, 15), 0.35))
        stuck = rng.random() < 0.15  # drawn first, so that its share does not depend on the boards
        fits = False
        while not fits:
            height, width = rng.randint(*sizes), rng.randint(*sizes)
            rows = draw_board(rng, height, width, "XO", (blocked, 1 - blocked), ends="*#")
            path = self.path(rows=rows)
            fits = path is None if stuck else path and len(path) > 1
        board = "\n".join(rows)
        question = (f"Find a shortest way from * to # over free cells (O); X is blocked.\n{board}\n"
                    'Answer with steps up, down, left, right, such as "up up left", '
                    "or with infeasible.")
        return question, dict(rows=rows)

    @staticmethod
    def rules(rows):
        free = free_cells(rows, "X")
        start = next(cell for cell in free if free[cell] == "*")

        def moves(cell):
            r, c = cell
            ways = (("up", (r - 1, c)), ("down", (r + 1, c)),
                    ("left", (r, c - 1)), ("right", (r, c + 1)))
            return [(step, after) for step, after in ways if after in free]

        return start, moves, lambda cell: free[cell] == "#"


class Sokoban(Search):
    joint = ""

    def make(self, rng: Random, level: int) -> tuple:
        n, boxes = at(rng, level, (5, 1), (6, 2), (7, rng.randint(2, 3)))
        low, high = at(rng, level, (3, 8), (6, 15), (12, 25))
        inner = list(product(range(1, n - 1), repeat=2))
        ends = []
        while not ends:
            # A room with the player, the boxes and a few walls, still without goals.
            walls = rng.randint(0, n - 4)
            marks = ("P" + "B" * boxes).ljust(len(inner) - walls, ".")
            cells = [["#"] * n for _ in range(n)]
            for (r, c), mark in zip(rng.sample(inner, len(inner)), marks):
                cells[r][c] = mark
            # The goals are where the boxes can be brought in as many steps as the level wants.
            start, moves, _ = self.rules(["".join(row) for row in cells])
            fewest = {}  # steps to each placement of the boxes
            for (_, placed), path in islice(reach(start, moves), 3000):
                fewest.setdefault(placed, len(path))
            ends = [placed for placed, steps in fewest.items()
                    if low <= steps <= high and all(cells[r][c] == "." for r, c in placed)]
        for r, c in rng.choice(ends):
            cells[r][c] = "G"
        rows = ["".join(row) for row in cells]
        board = "\n".join(rows)
        question = ("Push each box (B) onto a goal (G). P is you, # a wall, . free floor.\n"
                    f"{board}\n"
                    "A step U, D, L or R moves you by one cell and pushes a box that is there "
                    "one cell further, if there is no wall or box. A blocked step is not allowed. "
                    "Answer with the steps, such as UURD.")
        return question, dict(rows=rows)

    @staticmethod
    def rules(rows):
        floor = {}
        for r, row in enumerate(rows):
            for c, mark in enumerate(row):
                if mark != "#":
                    floor[r, c] = mark
        player = next(cell for cell in floor if floor[cell] == "P")
        boxes = frozenset(cell for cell in floor if floor[cell] == "B")
        goals = frozenset(cell for cell in floor if floor[cell] == "G")

        def moves(state):
            (r, c), boxes = state
            for step, down, right in (("U", -1, 0), ("D", 1, 0), ("L", 0, -1), ("R", 0, 1)):
                to = (r + down, c + right)
                beyond = (r + 2 * down, c + 2 * right)
                if to in boxes and beyond in floor and beyond not in boxes:
                    yield step, (to, boxes - {to} | {beyond})
                elif to in floor and to not in boxes:
                    yield step, (to, boxes)

        return (player, boxes), moves, lambda state: state[1] == goals

    @staticmethod
    def steps(text: str) -> list[str]:
        return list("".join(words(text)))


# Boards that need eleven moves or more, found by a long random search, rows apart by "/".
# Questions take cars away and come closer.
BOARDS = """
JJJHHK/..D..K/AAD..I/EFFBCI/EGGBCI/...BC. .EEFJJ/...F../AAC.../I.CHHD/I.C.BD/IGGGBD
..KFFF/..KIII/HAABCD/H..BCD/GGLLLD/.JJJEE F.DCII/F.DC.B/AAK..B/.GK.HH/.GJJJE/.G...E
E.IIGG/E.C.../AACHB./...HB./FFFDB./.KKDJJ .....D/GGJJJD/AAB.EC/..BIEC/KFLI../KFLIHH
.IIGGG/..CD../AACD../HHFDEB/J.F.EB/JKKKEB ..CFFF/..CEEE/AACJB./...JBD/.HHIKD/GGGIKD
JJJC../.GGCHH/AADC../..D..B/I.EKKB/I.EFFF KHHHBG/K.CDBG/AACDBF/JEED.F/J....F/J..III
JJJBGG/FF.BCD/.IAACD/HI..../HIEEKK/H..... GGGC../..DCJJ/AADCBK/..I.BK/..I..H/FFFEEH
.HDCFF/.HDCJJ/AADCB./.KIIB./.K..GE/LL..GE ..DBGG/FFDBH./AAD.H./IEKKKC/IE...C/IEJJ.C
..B.../FFBIC./AABIC./JDGGGE/JDKKKE/JHHH.E ...HHH/LLGGDC/AA.BDC/F..BDJ/F.EEEJ/FIIKKJ
KJ..../KJIIIF/AAD.BF/.HD.BC/.HEEEC/GG..LL ..FGGI/KKF..I/AAC.HI/..C.H./JJCBEE/DDDB..
.E...B/.E..CB/.IAACD/.IJJCD/.IGFFD/..GHHH ..GCDD/..GCIB/.AACIB/..EJJF/..E..F/..E.HH
....KK/..EEEF/AACDBF/I.CDBG/I.CHHG/IJJJ.G ...HHH/IIIFGJ/AABFGJ/LLBEEC/K.B..C/KDDD.C
LIIIB./L..KBF/HAAKBF/HJ.GGC/HJEEEC/.JDDDC .GEECD/.GJBCD/AAJBCK/LFFB.K/L.H..K/L.HIII
HKIIBD/HK..BD/HAACB./J..CGG/JF.EEE/JF.... JGGGEE/JKKKB./JAACB./II.CB./.D.FFF/.D.HHH
J.HHLL/J.C.K./AAC.KB/..C.FB/..IIFD/EEGGGD JEFFKK/JE.C../AA.C../.D..BH/.DLLBH/GGGIII
..IIKK/DDHHHB/AAJC.B/..JC.E/.GFC.E/.GF... I.DFFF/I.DHHH/AADEC./...EC./JJKKKB/GGG..B
.IIGCB/JJJGCB/AADGCB/..D.../HHE.../..EFFF ..BE../IIBEGG/AAB.CD/.HFFCD/.H..K./JJ..K.
""".split()


class RushHour(Search):
    split, joint = "test", " "
    steps = staticmethod(words)

    def make(self, rng: Random, level: int) -> tuple:
        low, high = at(rng, level, (2, 4), (4, 8), (8, 12))
        cars_away = at(rng, level, (4, 6), (1, 3), (0, 1))
        path = []
        while len(path) < low:
            # Some cars leave a board of the list, the others swap their names.
            board = rng.choice(BOARDS)
            cars = sorted({*board} - {*"A./"})
            names = "BCDEFGHIJKL"[:len(cars) - rng.randint(*cars_away)].ljust(len(cars), ".")
            swap = str.maketrans("".join(rng.sample(cars, len(cars))), names)
            board = board.translate(swap)
            # Random moves lead away from the list; a shortest way out is searched from there.
            state, moves, done = self.rules(board.split("/"))
            for _ in range(rng.randint(0, 20)):
                step, state = rng.choice(list(moves(state)))
                board = self._slide(board, step)
            found = islice(reach(state, moves), 1500)
            path = next((path for state, path in found if done(state)), [])
        # Walk along it until as few moves are left as the level wants.
        left = rng.randint(low, min(high, len(path)))
        for step in path[:-left]:
            board = self._slide(board, step)
        rows = board.split("/")
        shown = "\n".join(rows)
        question = (f"Cars on a board, each of two or three cells with the same letter:\n{shown}\n"
                    "A car moves only along its own line, over free cells (.). A+2 moves car A "
                    "two cells right or down, A-1 one cell left or up. Bring A to the right edge. "
                    "Answer with the moves, such as B+1 A+3.")
        return question, dict(rows=rows)

    @staticmethod
    def _slide(board: str, step: str) -> str:
        """The board, its rows apart by "/", after a move such as "B+2"."""
        name, by = step[0], int(step[1:])
        cells = [i for i, mark in enumerate(board) if mark == name]
        stride = cells[1] - cells[0]  # to the next cell of the row, or of the column
        marks = list(board.replace(name, "."))
        for i in cells:
            marks[i + by * stride] = name
        return "".join(marks)

    @staticmethod
    def rules(rows):
        # A state says where each car is on its line: the column of its first cell, or the row.
        # For each car and place, a mask has a bit for every cell that the car covers there.
        cars = {}
        for r in range(6):
            for c in range(6):
                cars.setdefault(rows[r][c], []).append((r, c))
        names = sorted(cars.keys() - {"."})
        start, masks = [], []
        for name in names:
            (r, c), size = cars[name][0], len(cars[name])
            across = cars[name][1][0] == r
            start.append(c if across else r)
            first, stride = (6 * r, 1) if across else (c, 6)  # cell number 6 * row + column
            masks.append([sum(1 << first + stride * (place + k) for k in range(size))
                          for place in range(7 - size)])

        def moves(state):
            taken = sum(mask[place] for mask, place in zip(masks, state))
            for i, place in enumerate(state):
                others = taken - masks[i][place]
                for sign in (1, -1):
                    to = place + sign
                    while 0 <= to < len(masks[i]) and not masks[i][to] & others:
                        yield f"{names[i]}{to - place:+d}", (*state[:i], to, *state[i + 1:])
                        to += sign

        return tuple(start), moves, lambda state: state[0] == len(masks[0]) - 1


class KnightSwap(Search):
    stuck = "No"

    def make(self, rng: Random, level: int) -> tuple:
        columns, sizes, most = at(rng, level, ("ABC", (6, 8), 12), ("ABC", (6, 9), 20),
                                  ("ABCD", (9, 12), 40))
        stuck = rng.random() < at(rng, level, 0, 0.25, 0.25)
        board = [column + row for column in columns for row in "1234"]
        fits = False
        while not fits:
            squares = sorted(rng.sample(board, rng.randint(*sizes)))
            knights = rng.sample(squares, 4)
            facts = dict(squares=squares, white=sorted(knights[:2]), black=sorted(knights[2:]),
                         first=rng.choice(("white", "black")))
            path = self.path(**facts)
            fits = path is None if stuck else path and len(path) <= most
        white, black = " and ".join(facts["white"]), " and ".join(facts["black"])
        question = (f"A board has only the squares {' '.join(squares)}. "
                    f"White knights: {white}; black knights: {black}. "
                    f"{facts['first'].title()} begins; then the sides take turns. "
                    "Each moves one of its knights as in chess to an empty square "
                    "of this board; it may jump over anything, but not take or pass. "
                    "Exchange the places of white and black. "
                    "Answer with the moves, such as A1-B3, C2-A1, or with No if it is impossible.")
        return question, facts

    @staticmethod
    def steps(text: str) -> list[str]:
        # A1 -> B3 and A1 – B3 are read as A1-B3; no move has a blank in it.
        moves = re.sub(r"(?<=\d) *(?:->|[-→–])\s*", "-", text)
        return " ".join(phrases(moves)).split()

    @staticmethod
    def rules(squares, white, black, first):
        def leap(a, b):  # one square along one line of the board, two along the other
            return abs(ord(a[0]) - ord(b[0])) * abs(int(a[1]) - int(b[1])) == 2

        near = {a: [b for b in squares if leap(a, b)] for a in squares}
        ours, theirs = frozenset(white), frozenset(black)
        if first == "black":
            ours, theirs = theirs, ours

        def moves(state):
            # The knights of the side to move, the others, whether it is the first side's turn.
            movers, waiting, turn = state
            for a in sorted(movers):
                for b in near[a]:
                    if b not in movers | waiting:
                        yield f"{a}-{b}", (waiting, movers - {a} | {b}, not turn)

        exchanged = ((theirs, ours, True), (ours, theirs, False))
        return (ours, theirs, True), moves, lambda state: state in exchanged


# ---- paths in the plane -----------------------------------------------------------------------

def clip(a, b, box):
    """The part of the way from a to b that lies in a closed box, as two shares of the way, or None.

    The box is (least x, greatest x, least y, greatest y). Each axis allows an interval of shares:

        a ------[======]---- b    x allows 0.3 to 0.6
        a ---[=====]-------- b    y allows 0.2 to 0.5    both: (0.3, 0.5)
    """
    low, high = 0, 1
    for p, q, least, most in ((a[0], b[0], box[0], box[1]), (a[1], b[1], box[2], box[3])):
        if p == q:  # the way does not move along this axis
            if not least <= p <= most:
                return None
        else:
            enter, leave = sorted(((least - p) / (q - p), (most - p) / (q - p)))
            low, high = max(low, enter), min(high, leave)
    return (low, high) if low <= high else None


class PathPlan(Task):
    suite = "symbench"
    uses = (reach, clip)
    COLOURS = ("red", "blue", "green", "yellow", "orange", "purple", "pink")

    def make(self, rng: Random, level: int) -> tuple:
        count, visits, avoids = at(rng, level, (3, (1, 1), (0, 1)), (5, (2, 3), (1, 2)),
                                   (7, (3, 4), (2, 3)))
        ordered = rng.random() < at(rng, level, 0, 0.5, 0.8)
        colours = rng.sample(self.COLOURS, count)
        # Start and end are drawn like boxes without size: they keep away from the others, too.
        *places, start, end = self._apart(rng, count)
        boxes = dict(zip(colours, places))
        start, end = start[::2], end[::2]  # (x, x, y, y) is the point (x, y)
        visits = rng.randint(*visits)
        chosen = rng.sample(colours, visits + rng.randint(*avoids))
        visit, avoid = chosen[:visits], chosen[visits:]
        ordered = ordered and visits > 1
        listed = "\n".join(f"{colour}: {', '.join(map(str, box))}" for colour, box in boxes.items())
        order = " in this order (more visits do no harm)" if ordered else ""
        never = f" and never touches {', '.join(avoid)}, not even at an edge" if avoid else ""
        question = (f"Boxes in the plane (least x, greatest x, least y, greatest y):\n{listed}\n"
                    f"Find a path of straight pieces from {tuple(start)} to {tuple(end)} "
                    "that stays within -1.4 < x < 1.4 and -1.4 < y < 1.4, "
                    f"visits {', '.join(visit)}{order}{never}. "
                    "Other boxes do not matter. Answer with the list of its points, such as "
                    "[(0, 0), (0.5, 1)], at most 200.")
        return question, dict(boxes=boxes, start=start, end=end, visit=visit, avoid=avoid,
                              ordered=ordered)

    @staticmethod
    def _apart(rng: Random, count: int) -> list[list[float]]:
        """`count` boxes and two points, none nearer to another than 0.12, counted in hundredths."""
        boxes = []
        while len(boxes) < count + 2:
            width, height = (rng.randint(30, 90) if len(boxes) < count else 0 for _ in range(2))
            x, y = rng.randint(-130, 130 - width), rng.randint(-130, 130 - height)
            if all(x > right + 12 or x + width < left - 12
                   or y > top + 12 or y + height < bottom - 12
                   for left, right, bottom, top in boxes):
                boxes.append([x, x + width, y, y + height])
            elif rng.random() < 0.02:  # perhaps there is no room left: begin again
                boxes = []
        return [[value / 100 for value in box] for box in boxes]


    @staticmethod
    def solve(boxes, start, end, visit, avoid, ordered):
        # Walls are the boxes to avoid; the corners to go round them keep 0.05 away.
        walls = [boxes[colour] for colour in avoid]
        corners = [(round(x, 2), round(y, 2)) for x0, x1, y0, y1 in walls
                   for x in (x0 - 0.05, x1 + 0.05) for y in (y0 - 0.05, y1 + 0.05)]
        # From the middle of one box to visit to the middle of the next, and to the end.
        path = [tuple(start)]
        stops = [boxes[colour] for colour in visit] + [(end[0], end[0], end[1], end[1])]
        for x0, x1, y0, y1 in stops:
            stop = (round((x0 + x1) / 2, 3), round((y0 + y1) / 2, 3))

            def moves(a):
                return [(b, b) for b in corners + [stop]
                        if not any(clip(a, b, wall) for wall in walls)]

            path += next(way for point, way in reach(path[-1], moves) if point == stop)
        return path

    def check(self, answer: str, instance: Instance) -> bool:
        facts = instance.facts
        points = [self._exact(point) for point in literal(answer)]
        boxes = {colour: self._exact(box) for colour, box in facts["boxes"].items()}
        legs = list(zip(points, points[1:]))
        # The path has few points, all inside, and runs from the start to the end.
        inside = all(abs(x) < Fraction("1.4") and abs(y) < Fraction("1.4") for x, y in points)
        ends = zip(points[0] + points[-1], self._exact(facts["start"] + facts["end"]))
        arrives = all(abs(given - place) <= Fraction("1e-6") for given, place in ends)
        if len(points) > 200 or not inside or not arrives:
            return False
        # No leg touches a box to avoid.
        if any(clip(a, b, boxes[colour]) for a, b in legs for colour in facts["avoid"]):
            return False
        # A moment is a number: 2.5 is the middle of the third leg. In order, no visit begins
        # before the last one began.
        now = 0
        for colour in facts["visit"]:
            spans = [(i, clip(a, b, boxes[colour])) for i, (a, b) in enumerate(legs)]
            begins = [max(now, i + span[0]) for i, span in spans if span and i + span[1] >= now]
            if not begins:
                return False
            if facts["ordered"]:
                now = begins[0]
        return True

    @staticmethod
    def _exact(values: list) -> list[Fraction]:
        return [Fraction(str(value)) for value in values]
