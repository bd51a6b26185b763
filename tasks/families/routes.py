"""Routes: ways through mazes, between obstacles, and for cars, knights and boxes that are in each other's way."""
from fractions import Fraction
from itertools import islice
from random import Random

from tasks.base import Instance, Task, at, integer, literal
from tasks.families.planning import Search, phrases, reach, words


class Maze(Task):
    parse = staticmethod(integer)
    program = Task.script

    def make(self, rng: Random, level: int) -> tuple:
        (low, high), least = at(rng, level, ((5, 7), 3), ((8, 12), 5), ((15, 25), 15))
        while True:
            n = rng.randint(low, high)
            cells = [rng.choices(".#", (7, 3), k=n) for _ in range(n)]
            for mark, place in zip("SG", rng.sample(range(n * n), 2)):
                cells[place // n][place % n] = mark
            rows = ["".join(row) for row in cells]
            if self.solve(rows) >= least:
                break
        return "How many steps up, down, left or right are needed from S to G, if # is a wall?\n" + "\n".join(rows) + \
            "\nAnswer with the least number.", dict(rows=rows)

    @staticmethod
    def solve(rows):
        cells = {(r, c): mark for r, row in enumerate(rows) for c, mark in enumerate(row) if mark != "#"}
        start, goal = (next(cell for cell in cells if cells[cell] == mark) for mark in "SG")
        steps, front = {start: 0}, [start]
        for r, c in front:  # grows while it is read
            for cell in ((r + 1, c), (r - 1, c), (r, c + 1), (r, c - 1)):
                if cell in cells and cell not in steps:
                    steps[cell] = steps[r, c] + 1
                    front.append(cell)
        return steps.get(goal, -1)


class ShortestPath(Search):
    shortest, joint, stuck = True, " ", "infeasible"
    steps = staticmethod(words)

    def make(self, rng: Random, level: int) -> tuple:
        (low, high), blocked = at(rng, level, ((4, 6), 0.25), ((5, 8), 0.35), ((10, 15), 0.35))
        stuck = rng.random() < 0.15
        while True:
            height, width = rng.randint(low, high), rng.randint(low, high)
            cells = [["X" if rng.random() < blocked else "O" for _ in range(width)] for _ in range(height)]
            for mark, place in zip("*#", rng.sample(range(height * width), 2)):
                cells[place // width][place % width] = mark
            rows = ["".join(row) for row in cells]
            path = self.path(rows=rows)
            if path is None if stuck else path and len(path) > 1:
                break
        return "Find a shortest way from * to # over free cells (O); X is blocked.\n" + "\n".join(rows) + \
            '\nAnswer with steps up, down, left, right, such as "up up left", or with infeasible.', dict(rows=rows)

    @staticmethod
    def rules(rows):
        cells = {(r, c): mark for r, row in enumerate(rows) for c, mark in enumerate(row) if mark != "X"}
        start, goal = (next(cell for cell in cells if cells[cell] == mark) for mark in "*#")

        def moves(cell):
            r, c = cell
            ways = ("up", (r - 1, c)), ("down", (r + 1, c)), ("left", (r, c - 1)), ("right", (r, c + 1))
            return [(step, after) for step, after in ways if after in cells]

        return start, moves, lambda cell: cell == goal


class Sokoban(Search):
    joint = ""

    def make(self, rng: Random, level: int) -> tuple:
        n, boxes = at(rng, level, (5, 1), (6, 2), (7, rng.randint(2, 3)))
        low, high = at(rng, level, (3, 8), (6, 15), (12, 25))
        inner, ends = [(r, c) for r in range(1, n - 1) for c in range(1, n - 1)], []
        while not ends:
            cells = [["#"] * n for _ in range(n)]
            marks = "P" + "B" * boxes + "." * (len(inner) - boxes - 1 - rng.randint(0, n - 4))  # the rest are walls
            for (r, c), mark in zip(rng.sample(inner, len(inner)), marks):
                cells[r][c] = mark
            start, moves, _ = self.rules(["".join(row) for row in cells])
            least = {}  # the fewest steps to each placement of the boxes
            for (_, placed), path in islice(reach([start], moves), 3000):
                least.setdefault(placed, len(path))
            ends = [placed for placed in least
                    if low <= least[placed] <= high and all(cells[r][c] == "." for r, c in placed)]
        for r, c in rng.choice(ends):
            cells[r][c] = "G"
        rows = ["".join(row) for row in cells]
        return "Push each box (B) onto a goal (G). P is you, # a wall, . free floor.\n" + "\n".join(rows) + \
            "\nA step U, D, L or R moves you by one cell and pushes a box that is there one cell further, if there " \
            "is no wall or box. A blocked step is not allowed. Answer with the steps, such as UURD.", dict(rows=rows)

    @staticmethod
    def rules(rows):
        cells = {(r, c): mark for r, row in enumerate(rows) for c, mark in enumerate(row) if mark != "#"}
        player, *_ = [cell for cell in cells if cells[cell] == "P"]
        boxes, goals = (frozenset(cell for cell in cells if cells[cell] == mark) for mark in "BG")

        def moves(state):
            (r, c), boxes = state
            for step, i, j in (("U", -1, 0), ("D", 1, 0), ("L", 0, -1), ("R", 0, 1)):
                to, beyond = (r + i, c + j), (r + 2 * i, c + 2 * j)
                if to in boxes and beyond in cells and beyond not in boxes:
                    yield step, (to, boxes - {to} | {beyond})
                elif to in cells and to not in boxes:
                    yield step, (to, boxes)

        return (player, boxes), moves, lambda state: state[1] == goals

    @staticmethod
    def steps(text: str) -> list[str]:
        return list("".join(words(text)))


# Boards that need eleven moves or more, found by a long random search. Questions take cars away and come closer.
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
        fewer = at(rng, level, (4, 6), (1, 3), (0, 1))
        while True:
            board = rng.choice(BOARDS)
            cars = sorted({*board} - {*"A./"})
            names = "BCDEFGHIJKL"[:len(cars) - rng.randint(*fewer)]
            names = dict(zip(rng.sample(cars, len(cars)), names.ljust(len(cars), ".")))  # "." takes a car away
            rows = "".join(names.get(mark, mark) for mark in board).split("/")
            for _ in range(rng.randint(0, 20)):
                _, moves, _ = rules = self.rules(rows)
                rows = self._slide(rows, rng.choice([step for step, _ in moves(rules[0])]))
            start, moves, done = self.rules(rows)
            path = next((path for state, path in islice(reach([start], moves), 1500) if done(state)), [])
            if len(path) >= low:
                break
        for step in path[:-rng.randint(low, min(high, len(path)))]:
            rows = self._slide(rows, step)
        return "Cars on a board, each of two or three cells with the same letter:\n" + "\n".join(rows) + \
            "\nA car moves only along its own line, over free cells (.). A+2 moves car A two cells right or down, " \
            "A-1 one cell left or up. Bring A to the right edge. Answer with the moves, such as B+1 A+3.", \
            dict(rows=rows)

    @staticmethod
    def _slide(rows: list[str], step: str) -> list[str]:
        cells = [(r, c) for r in range(6) for c in range(6) if rows[r][c] == step[0]]
        across = cells[0][0] == cells[1][0]
        board = [list(row.replace(step[0], ".")) for row in rows]
        for r, c in cells:
            board[r + int(step[1:]) * (not across)][c + int(step[1:]) * across] = step[0]
        return ["".join(row) for row in board]

    @staticmethod
    def rules(rows):
        cars = {}
        for r in range(6):
            for c in range(6):
                cars.setdefault(rows[r][c], []).append((r, c))
        names = sorted(cars.keys() - {"."})
        start, masks = [], []  # where each car is on its line; the cells it covers at each place, as bits
        for name in names:
            (r, c), size = cars[name][0], len(cars[name])
            across = cars[name][1][0] == r
            start.append(c if across else r)
            masks.append([sum(1 << (6 * r + p + k if across else 6 * (p + k) + c) for k in range(size))
                          for p in range(7 - size)])

        def moves(state):
            taken = sum(mask[p] for mask, p in zip(masks, state))
            for i, p in enumerate(state):
                others = taken - masks[i][p]
                for sign in (1, -1):
                    q = p + sign
                    while 0 <= q < len(masks[i]) and not masks[i][q] & others:
                        yield f"{names[i]}{q - p:+d}", (*state[:i], q, *state[i + 1:])
                        q += sign

        return tuple(start), moves, lambda state: state[0] == len(masks[0]) - 1


class KnightSwap(Search):
    stuck = "No"

    def make(self, rng: Random, level: int) -> tuple:
        columns, (low, high), most = at(rng, level, ("ABC", (6, 8), 12), ("ABC", (6, 9), 20), ("ABCD", (9, 12), 40))
        stuck = rng.random() < at(rng, level, 0, 0.25, 0.25)
        while True:
            squares = sorted(rng.sample([x + y for x in columns for y in "1234"], rng.randint(low, high)))
            a, b, c, d = rng.sample(squares, 4)
            first = rng.choice(("white", "black"))
            facts = dict(squares=squares, white=sorted((a, b)), black=sorted((c, d)), first=first)
            path = self.path(**facts)
            if path is None if stuck else path and len(path) <= most:
                break
        white, black = (" and ".join(facts[side]) for side in ("white", "black"))
        return f"A board has only the squares {' '.join(squares)}. White knights: {white}; black knights: {black}. " \
               f"{first.title()} begins; then the sides take turns. Each moves one of its knights as in chess to an " \
               "empty square of this board; it may jump over anything, but not take or pass. Exchange the places " \
               "of white and black. Answer with the moves, such as A1-B3, C2-A1, or with No if it is impossible.", facts

    @staticmethod
    def steps(text: str) -> list[str]:
        for arrow in ("->", "→", "–"):  # A1 -> B3 is A1-B3
            text = text.replace(arrow, "-")
        return phrases("-".join(square.strip() for square in text.split("-")))

    @staticmethod
    def rules(squares, white, black, first):
        near = {a: [b for b in squares if abs(ord(a[0]) - ord(b[0])) * abs(int(a[1]) - int(b[1])) == 2]
                for a in squares}
        ours, theirs = map(frozenset, (white, black) if first == "white" else (black, white))

        def moves(state):  # the knights of the side that is to move, the others, whether the first side is to move
            movers, waiting, turn = state
            for a in sorted(movers):
                for b in near[a]:
                    if b not in movers | waiting:
                        yield f"{a}-{b}", (waiting, movers - {a} | {b}, not turn)

        return (ours, theirs, True), moves, lambda state: state in ((theirs, ours, True), (ours, theirs, False))


def clip(a, b, box):
    """The part of the way from a to b that lies in a closed box, as two shares of the way, or None."""
    low, high = 0, 1
    for p, q, least, most in ((a[0], b[0], box[0], box[1]), (a[1], b[1], box[2], box[3])):
        if p == q:
            if not least <= p <= most:
                return None
        else:
            enter, leave = sorted(((least - p) / (q - p), (most - p) / (q - p)))
            low, high = max(low, enter), min(high, leave)
    return (low, high) if low <= high else None


class PathPlan(Task):
    suite = "symbench"
    uses = (reach, clip)

    def make(self, rng: Random, level: int) -> tuple:
        count, visits, avoids = at(rng, level, (3, (1, 1), (0, 1)), (5, (2, 3), (1, 2)), (7, (3, 4), (2, 3)))
        ordered = rng.random() < at(rng, level, 0, 0.5, 0.8)
        colours = rng.sample(("red", "blue", "green", "yellow", "orange", "purple", "pink"), count)
        boxes = []  # in hundredths; start and end are boxes without size, so that they keep away from the others, too
        while len(boxes) < count + 2:
            width, height = (rng.randint(30, 90) if len(boxes) < count else 0 for _ in range(2))
            x, y = rng.randint(-130, 130 - width), rng.randint(-130, 130 - height)
            if all(x > r + 12 or x + width < l - 12 or y > t + 12 or y + height < b - 12 for l, r, b, t in boxes):
                boxes.append([x, x + width, y, y + height])
            elif rng.random() < 0.02:  # perhaps there is no room left
                boxes = []
        *boxes, start, end = [[v / 100 for v in box] for box in boxes]
        facts = dict(boxes=dict(zip(colours, boxes)), start=start[::2], end=end[::2])
        visits = rng.randint(*visits)
        chosen = rng.sample(colours, visits + rng.randint(*avoids))
        facts |= dict(visit=chosen[:visits], avoid=chosen[visits:], ordered=ordered and visits > 1)
        listed = "\n".join(f"{colour}: {', '.join(map(str, box))}" for colour, box in facts["boxes"].items())
        order = " in this order (more visits do no harm)" * facts["ordered"]
        never = f" and never touches {', '.join(facts['avoid'])}, not even at an edge" * bool(facts["avoid"])
        return f"Boxes in the plane (least x, greatest x, least y, greatest y):\n{listed}\nFind a path of straight " \
               f"pieces from {tuple(facts['start'])} to {tuple(facts['end'])} that stays within -1.4 < x < 1.4 and " \
               f"-1.4 < y < 1.4, visits {', '.join(facts['visit'])}{order}{never}. Other boxes do not matter. Answer " \
               "with the list of its points, such as [(0, 0), (0.5, 1)], at most 200.", facts

    @staticmethod
    def solve(boxes, start, end, visit, avoid, ordered):
        # Walls are the boxes to avoid; the corners to go round them keep 0.05 away.
        walls = [boxes[colour] for colour in avoid]
        corners = [(round(x, 2), round(y, 2)) for x0, x1, y0, y1 in walls
                   for x in (x0 - 0.05, x1 + 0.05) for y in (y0 - 0.05, y1 + 0.05)]
        path = [tuple(start)]
        for x0, x1, y0, y1 in [boxes[colour] for colour in visit] + [(end[0], end[0], end[1], end[1])]:
            stop = (round((x0 + x1) / 2, 3), round((y0 + y1) / 2, 3))

            def moves(a):
                return [(b, b) for b in corners + [stop] if not any(clip(a, b, wall) for wall in walls)]

            path += next(way for point, way in reach([path[-1]], moves) if point == stop)
        return path

    def check(self, answer: str, instance: Instance) -> bool:
        def exact(values):
            return [Fraction(str(value)) for value in values]

        facts, points = instance.facts, [exact(point) for point in literal(answer)]
        boxes = {colour: exact(box) for colour, box in facts["boxes"].items()}
        legs = list(zip(points, points[1:]))
        if len(points) > 200 or any(len(point) != 2 or max(map(abs, point)) >= Fraction("1.4") for point in points) \
                or any(abs(a - b) > Fraction("1e-6") for point, place in ((0, facts["start"]), (-1, facts["end"]))
                       for a, b in zip(points[point], exact(place))) \
                or any(clip(*leg, boxes[colour]) for leg in legs for colour in facts["avoid"]):
            return False
        now = (0, 0)  # the leg, and the share of it, at which the last visit in order takes place
        for colour in facts["visit"]:
            stays = [(i, *span) for i, leg in enumerate(legs) if (span := clip(*leg, boxes[colour]))]
            if facts["ordered"]:
                stays = [max(now, (i, enter)) for i, enter, leave in stays if (i, leave) >= now]
                now = min(stays, default=now)
            if not stays:
                return False
        return True
